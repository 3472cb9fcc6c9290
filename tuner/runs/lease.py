"""One study on a device at a time, on this host.

The lock is flock(2) on a file in a folder that all users of the host share. Controller and worker
hold it through one open file, so that the kernel frees it when the last of them is gone, however it
died. The file's text names the holder for messages; the lock alone decides. NPU_TUNE_LOCKS names
another folder: for tests, or one that containers of the same host share.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from ..errors import Interrupted, StudyConflictError, UnfitEnvironmentError
from ..language import N_, say

FOLDER_VARIABLE = "NPU_TUNE_LOCKS"
FOLDER = "/tmp/npu-tune-locks"  # not $TMPDIR: that is often one user's or one job's own
POLL_S = 1.0  # a system call each second does not disturb who measures
HOLDER = ("study", "pid", "host", "since")

Hold = Callable[[Iterable[str | None]], list[int | None]]


@contextlib.contextmanager
def held(
    device: str, study: str, on_wait: Callable[[str], None] | None, stop: Callable[[], bool]
) -> Iterator[int]:
    """Hold a device; yields the lock's file descriptor, which a worker is to inherit.

    on_wait: is told once who holds it; None: fail instead of waiting.

    Raises StudyConflictError when it is held and there is no waiting; Interrupted when `stop` says
    so; UnfitEnvironmentError where the file cannot be locked.
    """
    lock = _wait(_path(device), device, on_wait, stop)
    try:
        since = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC"
        text = json.dumps(
            dict(zip(HOLDER, (study, os.getpid(), platform.node(), since), strict=True))
        )
        os.ftruncate(lock, 0)
        os.pwrite(lock, text.encode(), 0)
        yield lock
    finally:
        os.ftruncate(lock, 0)
        os.close(lock)


@contextlib.contextmanager
def holding(
    study: str, on_wait: Callable[[str], None] | None, stop: Callable[[], bool]
) -> Iterator[Hold]:
    """Hold devices whose names may turn out to be others. The other arguments are those of `held`.

    Yields what takes the locks of some devices (None: of nothing) and returns their descriptors. It
    lets go of what it held, unless that is the same: nobody waits for one while holding another
    out of order.
    """
    with contextlib.ExitStack() as stack:
        locks: dict[str, int] = {}

        def hold(devices: Iterable[str | None]) -> list[int | None]:
            devices = list(devices)
            names = sorted({name for name in devices if name is not None})
            if names != sorted(locks):
                stack.close()
                locks.clear()
                for name in names:
                    locks[name] = stack.enter_context(held(name, study, on_wait, stop))
            return [None if name is None else locks[name] for name in devices]

        yield hold


def wait_until_free(
    device: str, on_wait: Callable[[str], None] | None, stop: Callable[[], bool]
) -> None:
    """Return when nobody holds a device. The arguments and errors are those of `held`."""
    os.close(_wait(_path(device), device, on_wait, stop))


def holder(device: str) -> str:
    """Which study holds a device, in one line; "" where none does."""
    try:
        wait_until_free(device, None, lambda: False)
    except StudyConflictError as error:
        return str(error).partition(": ")[0]
    return ""


def _wait(
    path: Path, device: str, on_wait: Callable[[str], None] | None, stop: Callable[[], bool]
) -> int:
    is_waiting = False
    while (lock := _try(path)) is None:
        holder = _holder(path)
        if on_wait is None:
            raise StudyConflictError(
                "{device} is being measured by study {study} (process {pid} on {host}) since "
                "{since}: leave out --no-wait to wait for it".format(device=device, **holder)
            )
        if stop():
            raise Interrupted("")
        if not is_waiting:
            text = N_(
                "{device} is being measured by study {study} (process {pid} on {host}) since "
                "{since}; waiting. --no-wait: fail instead; Ctrl-C stops"
            )
            on_wait(say(text, device=device, **holder))
            is_waiting = True
        time.sleep(POLL_S)
    return lock


def _try(path: Path) -> int | None:
    """The file, locked; None when another holds it."""
    lock = _open(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), os.lstat(path)):
            return lock  # else somebody removed the file: others would not see what is locked
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(lock)
        raise _unusable(path, str(error.strerror)) from error
    os.close(lock)
    return None


def _open(path: Path) -> int:
    """The lock file, made when it is not there. Raises UnfitEnvironmentError."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        try:
            lock = os.open(path, flags)
        except FileNotFoundError:  # O_CREAT on another user's file: fs.protected_regular forbids it
            lock = os.open(path, flags | os.O_CREAT, 0o666)
            os.fchmod(lock, 0o666)  # whatever the umask: other users must be able to lock it, too
        status = os.fstat(lock)
    except OSError as error:
        why = "it is a symbolic link" if path.is_symlink() else error.strerror
        raise _unusable(path, str(why)) from error
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(lock)
        raise _unusable(path, "it is no file with one name")
    return lock


def _path(device: str) -> Path:
    """Where a device's lock lies; the folder is made as /tmp is: for all, each for his own."""
    folder = Path(os.environ.get(FOLDER_VARIABLE) or FOLDER)
    try:
        folder.mkdir(parents=True)
        folder.chmod(0o1777)
    except FileExistsError:
        if folder.is_symlink() or not folder.is_dir():
            raise _unusable(folder, "it is no folder") from None
    except OSError as error:
        raise _unusable(folder, str(error.strerror)) from error
    return folder / f"{device.lower().replace(' ', '-')}.lock"


def _unusable(path: Path, why: str) -> UnfitEnvironmentError:
    return UnfitEnvironmentError(
        f"cannot lock {path}: {why}; remove it, or name a folder of your own in {FOLDER_VARIABLE}"
    )


def _holder(path: Path) -> dict[str, str]:
    """What the file says of its holder; "?" for what it does not. Anybody can write into it."""
    try:
        holder = json.loads(path.read_text())
        texts = {name: str(holder[name])[:100] for name in HOLDER}
    except (OSError, ValueError, KeyError, TypeError):
        return dict.fromkeys(HOLDER, "?")
    return {name: text if text.isprintable() else "?" for name, text in texts.items()}
