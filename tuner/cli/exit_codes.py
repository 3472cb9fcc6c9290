"""Exit codes: what each means, which command ends with which. `--help` and the reference show it.

They are a promise; errors bring theirs along (tuner/errors.py).
"""

from __future__ import annotations

from collections.abc import Mapping

MEANINGS = {
    0: "done",
    1: "another error",
    2: "a wrong option, model, study name, search space or exported file",
    4: "the environment is unfit: no interpreter, no torch, no device",
    6: "the baseline does not run",
    7: "the study is missing, exists, is measured elsewhere or differs; or --no-wait",
    8: "the database cannot be opened, read or written, or is locked",
    130: "interrupted",
}
READS, MEASURES = (0, 1, 2, 7, 8), (0, 1, 2, 4, 6, 7, 8, 130)
OF = {
    "tune": MEASURES,
    "list": READS,
    "show": READS,
    "export": READS,
    "report": READS,
    "run": (2, 4, 7, 8),
    "check": (0, 1, 2, 3, 4, 5, 7, 8, 130),
    "compare": MEASURES,
    "doctor": (0, 1, 2, 4, 130),
    "noise": (0, 1, 2, 4, 5, 6, 7, 8, 130),
    "rerun": MEASURES,
    "profile": MEASURES,
    "delete": (*READS, 130),
}
# Where a command's own meaning is a narrower one.
OWN: Mapping[str, Mapping[int, str]] = {
    "check": {
        0: "it is faster than the baseline and keeps what it promised",
        3: "it does not",
        4: "it cannot run here, or the baseline does not",
        5: "the noise forbids an answer",
    },
    "doctor": {
        0: "nothing must be mended before measuring",
        1: "another error; --full did not come to its end",
        4: "something must be mended first",
    },
    "noise": {
        0: "some gain below 2x can be shown here",
        5: "none can: too much else runs here",
    },
    "rerun": {
        0: "it ran well",
        1: "its configuration failed, or another error",
        4: "its environment failed",
    },
}
PROGRAMS_OWN = "Exit code: the program's own; where it is not started:"


def codes(command: str) -> dict[int, str]:
    """Code -> meaning, of one command."""
    own = OWN.get(command, {})
    return {code: own.get(code) or MEANINGS[code] for code in OF[command]}


def epilog(command: str) -> str:
    """What stands at the end of the command's help; click leaves the lines as they are."""
    head = PROGRAMS_OWN if command == "run" else "Exit codes:"
    rows = [f"  {code:<3}  {meaning}" for code, meaning in codes(command).items()]
    return "\n".join(["\b", head, *rows])
