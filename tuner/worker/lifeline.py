"""The measuring process never outlives its supervisor, so that nothing holds a device."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

from .protocol import LEASE_VARIABLE

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
LIKELIER_KILLED = 500  # of 1000 (proc(5), oom_score_adj): before the controller and the companion


def end_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent, of that number, dies.

    When the parent's thread that has started it ends (prctl(2)): a supervisor has one thread.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before that
        os._exit(1)


def die_first_of_memory() -> None:
    """Where memory runs out, the kernel is to choose this process."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(LIKELIER_KILLED))


def keep_lease_to_ourselves() -> None:
    """The lock on the device ends with this process: programs that it starts do not inherit it.

    A child that is only forked shares it, and dies with the run.
    """
    with contextlib.suppress(KeyError, ValueError, OSError):  # behind a prefix there is none
        os.set_inheritable(int(os.environ.pop(LEASE_VARIABLE)), False)
