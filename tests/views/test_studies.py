"""Stored studies on the terminal: the turns of a run."""

from __future__ import annotations

import io
import re
from dataclasses import replace

from rich.console import Console

from tests.support.in_heats import in_heat
from tests.support.runs import recorded, study_record
from tuner.evidence.summary import summarize
from tuner.runs.records import RecordedRun, StudyFacts
from tuner.study import notes
from tuner.views.studies import study, trial
from tuner.worker.facts import ProbeFacts


def rows_of(run: RecordedRun) -> dict[str, str]:
    """What `show --trial` says of a run."""
    console = Console(file=io.StringIO(), width=120, highlight=False)
    console.print(trial(summarize(study_record(), [run]), [run]))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    cells = [re.split(r" {2,}", line.strip(), maxsplit=1) for line in lines]
    return {row[0]: row[1] for row in cells if len(row) == 2}


def test_the_turns_of_a_run_are_shown_with_their_medians_and_waits() -> None:
    rows = rows_of(in_heat(7, [10.0, 12.0, 11.0], waits_ns=[2_000_000, 0, 1_000_000]))
    assert rows["turns"] == "3, in heat 7"
    assert rows["median of a turn"] == "10 … 12 ms"
    assert rows["waited for a processor"] == "0.002 s in a turn at most, 0.003 s in all"


def test_a_run_alone_has_no_turns() -> None:
    assert rows_of(recorded(0, 10)).keys() & {"turns", "median of a turn"} == set()


def test_what_the_models_own_code_changes_is_shown_with_the_study() -> None:
    facts = StudyFacts(ProbeFacts(changed=["threads 2 -> 1", "alarm none -> set"]), {})
    console = Console(file=io.StringIO(), width=200, highlight=False)
    console.print(study(summarize(replace(study_record(), facts=facts), [recorded(0, 10)]), 200))
    assert isinstance(console.file, io.StringIO)
    assert (
        "the model's own code changes its process, in every run: threads 2 -> 1; alarm none -> set"
    ) in console.file.getvalue()


def test_subnormal_numbers_are_said_with_what_to_do() -> None:
    probe = ProbeFacts("cpu", subnormal_in="aten.mul.Tensor", subnormal_share=0.6)
    assert list(notes.of_subnormal(probe)) == [
        "warning: 60% of the values in aten.mul.Tensor are subnormal numbers, nearer to zero than "
        "1e-37, which a processor computes many times slower: where they may be zero, call "
        "torch.set_flush_denormal(True) first of all in the program, and in the model's file"
    ]
    assert list(notes.of_subnormal(ProbeFacts("cpu"))) == []
