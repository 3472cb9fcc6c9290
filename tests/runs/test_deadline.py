"""What is said of a run that was not done in time: in which phase it was, and what to give."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.runs import deadline
from tuner.worker import protocol
from tuner.worker.protocol import MeasurementRule, ModelSpec, Role, TrialSpec

SPEC = TrialSpec(
    "s", 0, Role.SEARCH, "cpu", ModelSpec("python_file", "m.py:make"),
    rule=MeasurementRule(warmup_calls=10), deadline_s=60,
)  # fmt: skip
PREPARED = "import 0.5\nbuild 3.0\nfirst_call 5.0\n"
NOT_KNOWN = "how long it takes is not known: --timeout 120 gives it twice as long"


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        (
            None,
            "no result after 60 s: docker exec c python3 has not begun to run the worker: no "
            "--timeout helps where that hangs; try: docker exec c python3 -c pass",
        ),
        (
            "",
            "no result after 60 s: Python was starting: no --timeout helps where that hangs; try: "
            "docker exec c python3 -c pass",
        ),
        (
            "import 0.5\n",
            "no result after 60 s: torch was being imported, since second 0: no --timeout helps "
            "where that hangs; try: docker exec c python3 -c 'import torch'",
        ),
        (
            "import 0.5\nbuild 3.0\n",
            f"no result after 60 s: the model was being built, since second 3: {NOT_KNOWN}",
        ),
        (
            PREPARED,
            "no result after 60 s: it was in its first call, which compiles where a knob says so, "
            f"since second 5: {NOT_KNOWN}",
        ),
        (
            PREPARED + "check 12.0\nwarmup 12.5\n",
            "no result after 60 s: it was being warmed up, since second 12: the first call took "
            "7 s: --timeout 240 would have been enough",
        ),
        (
            PREPARED + "check 12.0\nwarmup 12.5\nsamples 50.0\n",
            "no result after 60 s: it was being measured, since second 50: the first call took "
            "7 s: --timeout 240 would have been enough",
        ),
        (
            "import 0.5\nsomething_of_a_later_version 3.0\n",
            f"no result after 60 s: it was in its phase something_of_a_later_version, since second "
            f"3: {NOT_KNOWN}",
        ),
    ],
)
def test_a_missed_deadline_says_where_it_fell_and_what_to_give(
    phases: str | None, said: str, tmp_path: Path
) -> None:
    if phases is not None:
        (tmp_path / protocol.STARTED_FILE).touch()
    if phases:
        (tmp_path / protocol.PHASES_FILE).write_text(phases)
    assert deadline.missed(SPEC, tmp_path, ["docker", "exec", "c", "python3"]) == said


def test_a_script_that_does_not_end_is_named(tmp_path: Path) -> None:
    said = deadline.missed(SPEC, tmp_path, ["python"], "/opt/set_env.sh")
    assert said.startswith(
        "no result after 60 s: python has not begun to run the worker, after --env-script "
        "/opt/set_env.sh: no --timeout helps"
    )


def test_a_call_that_was_quick_at_first_and_hangs_later_is_not_given_more_time(
    tmp_path: Path,
) -> None:
    (tmp_path / protocol.STARTED_FILE).touch()
    (tmp_path / protocol.PHASES_FILE).write_text("first_call 5.0\ncheck 5.1\nsamples 6.0\n")
    assert deadline.missed(SPEC, tmp_path, ["python"]) == (
        "no result after 60 s: it was being measured, since second 6: the first call took 0.1 s, "
        "so a later one hangs: no --timeout helps; see its log"
    )
