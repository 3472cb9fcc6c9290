"""A study's working folder: locked while one process works in it, removed when it is finished."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..errors import Interrupted, StudyConflictError, UsageError
from ..worker.exchange import replacing
from .process import kill_carriers

EXPORTS = "exports"  # files that engines load
REFERENCES = "outputs-*.pt"  # a baseline's output for each batch size, as the runner names them


@contextlib.contextmanager
def work_folder(root: Path, study: str) -> Iterator[Path]:
    """The study's folder for weights, references, compile cache and run folders.

    Removed when the study is finished. Where it ends before, a resumed one finds its folder; only
    one that was made here and fails without a measured baseline is not worth keeping.
    Raises StudyConflictError when another process works in it, UsageError where none can be made.
    """
    folder = (root / ".work" / study).resolve()  # a model may change the working directory
    new = not folder.exists()
    make_folder(folder)
    with _claimed(folder, study):
        kill_carriers([f"{folder}:"])
        for stale in folder.glob("run-*"):
            shutil.rmtree(stale, ignore_errors=True)
        try:
            yield folder
        except (KeyboardInterrupt, Interrupted):
            if not any(folder.glob("*.pt")):  # stopped while it waited for its device
                _remove(folder)
            raise
        except BaseException:
            if new and not any(folder.glob(REFERENCES)):
                _remove(folder)
            raise
        _remove(folder)


@contextlib.contextmanager
def removing(root: Path, study: str) -> Iterator[None]:
    """Nobody works in the study's folder until the block ends; then it is gone, where it was.

    Raises StudyConflictError when another process works in it. It stays where the block raises.
    """
    folder = (root / ".work" / study).resolve()
    with _claimed(folder, study) if folder.is_dir() else contextlib.nullcontext():
        yield
        if folder.is_dir():
            _remove(folder)


def make_folder(folder: Path) -> None:
    """Raises UsageError where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be made: {error.strerror}; start in a folder that you may write to"
        ) from error


@contextlib.contextmanager
def _claimed(folder: Path, study: str) -> Iterator[None]:
    """The folder locked until the block or this process ends: what is in it is then stale."""
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if not _is_ours(lock, folder):
            raise StudyConflictError(
                f"study {study!r} is just being begun or run by another process: wait for it, or "
                "name another with --study"
            )
        yield
    finally:
        os.close(lock)


def _is_ours(lock: int, folder: Path) -> bool:
    """Lock the open folder; False when another process holds it, or has made it anew meanwhile."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a network file system that locks no folders: the owner in the store remains
        return True
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(lock), os.stat(folder))
    return False


def put(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all. Raises OSError."""
    with source.open("rb") as content, replacing(str(target)) as copy:
        shutil.copyfileobj(content, copy)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()  # only when no other study works there
