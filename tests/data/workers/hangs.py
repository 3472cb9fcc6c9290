"""Ignores SIGTERM, starts a grandchild in a session of its own, and never returns."""

import signal, subprocess, sys, time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
)
print("grandchild", child.pid, flush=True)
time.sleep(600)
