"""Ignores SIGTERM, starts a grandchild in a session of its own, and never returns."""

import signal
import subprocess
import sys
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
)
print("grandchild", child.pid, flush=True)
time.sleep(600)
