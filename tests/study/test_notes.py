"""What is told of the environment before anything is measured."""

from __future__ import annotations

from tuner.runs.records import StudyFacts
from tuner.study import notes
from tuner.worker.facts import ProbeFacts


def test_a_model_that_puts_the_npu_in_the_place_of_cuda_is_told_what_that_changes() -> None:
    facts = StudyFacts(ProbeFacts("cpu", transferred=True), {})
    assert list(notes.of_environment(facts)) == [
        "backend: cpu",
        "the model imports transfer_to_npu: what it asks of torch.cuda it gets of torch.npu, and "
        "torch.jit.script does nothing, so what it scripts is measured in eager mode",
    ]
    assert list(notes.of_environment(StudyFacts(ProbeFacts("cpu"), {}))) == ["backend: cpu"]
