"""Errors that end a command: one line that says what was seen and what to do, and an exit code.

Exit codes are a promise. 3 and 5 are kept for `check` (regression; noise forbids an answer).
"""


class TunerError(Exception):
    """Base of all errors shown to the user; the message ends in the remedy."""

    exit_code = 1


class UsageError(TunerError):
    """An option, a model name or a search space file is wrong."""

    exit_code = 2


class UnfitEnvironmentError(TunerError):
    """The interpreter or the machine cannot run this."""

    exit_code = 4


class BaselineError(TunerError):
    """The model does not run in the user's own environment, before any knob is touched."""

    exit_code = 6


class StudyConflictError(TunerError):
    """The study exists, is missing, runs elsewhere, or differs from what was asked."""

    exit_code = 7


class StorageError(TunerError):
    """The database cannot be opened, read or written."""

    exit_code = 8


class StorageLockedError(StorageError):
    """Another program has the database locked: later the same may work."""


class Interrupted(TunerError):
    """The user stopped the study; nothing recorded is lost."""

    exit_code = 130
