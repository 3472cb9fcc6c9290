"""The worker never outlives its deadline or its controller, so that nothing holds a device."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
import threading

from .protocol import LEASE_VARIABLE

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def end_at_deadline(deadline_s: float) -> None:
    """Leave after `deadline_s` even when stuck in native code that holds the interpreter's lock.

    faulthandler's watchdog is a C thread: it needs no lock, writes the stacks to the log, exits.
    """
    faulthandler.enable(file=sys.stderr)
    faulthandler.dump_traceback_later(deadline_s, exit=True, file=sys.stderr)


def end_with_parent() -> None:
    """Have the kernel end this process when its parent dies."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def end_with_input() -> None:
    """End when standard input does: through a prefix the parent is not the controller."""
    threading.Thread(target=_wait_for_end_of_input, name="lifeline", daemon=True).start()


def keep_lease_to_ourselves() -> None:
    """The lock on the device ends with this process: programs that it starts do not inherit it.

    A child that is only forked shares it, and dies with the run.
    """
    with contextlib.suppress(KeyError, ValueError, OSError):  # behind a prefix there is none
        os.set_inheritable(int(os.environ.pop(LEASE_VARIABLE)), False)


def _wait_for_end_of_input() -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
