"""What belongs to the process and a user's module may change: noticed, and kept out of our way.

What the model's own code sets is the baseline's as well: it is left as it is, and said.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import warnings
from typing import Any, Dict, Iterator, List

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGCHLD", "SIGUSR1", "SIGUSR2")


def seen() -> Dict[str, str]:
    """Every such setting by the name that is shown."""
    import torch

    settings = {
        "threads": torch.get_num_threads(),
        "inter-op threads": torch.get_num_interop_threads(),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.empty(0).device,  # torch 2.1 has no torch.get_default_device
        "gradients": "on" if torch.is_grad_enabled() else "off",
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "working folder": _working_folder(),
        "standard output": _stream(sys.stdout, sys.__stdout__, 1),
        "standard error": _stream(sys.stderr, sys.__stderr__, 2),
        "warnings": "errors" if _are_errors() else "shown",
        "alarm": "set" if any(signal.getitimer(signal.ITIMER_REAL)) else "none",
    }
    for name in SIGNALS:
        settings["handler of " + name] = _named(signal.getsignal(getattr(signal, name)))
    return {name: str(value) for name, value in settings.items()}


def changes(before: Dict[str, str], after: Dict[str, str]) -> List[str]:
    """What differs: `default dtype torch.float32 -> torch.float64`."""
    return [
        "{} {} -> {}".format(name, old, after[name])
        for name, old in before.items()
        if after[name] != old
    ]


@contextlib.contextmanager
def own_filters() -> Iterator[None]:
    """What torch warns of in our own calls is no error, whatever the model's module has set."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        yield


def _working_folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "one that is gone"


def _stream(stream: Any, own: Any, number: int) -> str:
    """open, closed, or replaced: by another object, or a file under the same number."""
    if stream is None or getattr(stream, "closed", False):
        return "closed"
    try:
        file = os.fstat(number)
    except OSError:
        return "closed"
    kind = "" if stream is own else "replaced, "
    return "{}file {}:{}".format(kind, file.st_dev, file.st_ino)


def _are_errors() -> bool:
    """Is the first filter that would meet an ordinary warning an error?"""
    for action, message, category, module, line in warnings.filters:
        if message is None and module is None and not line and issubclass(UserWarning, category):
            return action == "error"
    return False


def _named(handler: Any) -> str:
    return getattr(handler, "__qualname__", None) or getattr(handler, "name", None) or str(handler)
