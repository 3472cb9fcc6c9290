"""A study's working folder: locked while one process works in it, removed at the end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .errors import Interrupted, StudyConflictError, UsageError
from .launcher import kill_descendants


@contextlib.contextmanager
def work_folder(root: Path, study: str) -> Iterator[Path]:
    """The study's folder for weights, references, compile cache and run folders.

    Kept when the study is interrupted or killed, so that a resumed one finds it; else removed.
    Raises StudyConflictError when another process works in it, UsageError where none can be made.
    """
    folder = (root / ".work" / study).resolve()  # a model may change the working directory
    make_folder(folder)
    with _claimed(folder, study):
        kill_descendants(f"{folder}:")
        for stale in folder.glob("run-*"):
            shutil.rmtree(stale, ignore_errors=True)
        try:
            yield folder
        except (KeyboardInterrupt, Interrupted):
            raise
        except BaseException:
            _remove(folder)
            raise
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
        _lock(lock, study)
        yield
    finally:
        os.close(lock)


def _lock(file: int, study: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StudyConflictError(
            f"study {study!r} is just being begun or run by another process: wait for it, or name "
            "another with --study"
        ) from error
    except OSError:  # a network file system that locks no folders: the owner in the store remains
        pass


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()  # only when no other study works there
