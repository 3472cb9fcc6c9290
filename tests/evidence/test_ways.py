"""Each way to execute the model at its best, and what it asks of the program."""

from __future__ import annotations

from dataclasses import replace

from tests.support.runs import SPACE, recorded, study_record
from tuner.evidence.conclude import conclude
from tuner.evidence.result import ExecutionResult
from tuner.evidence.summary import Summary, summarize
from tuner.options import Setup
from tuner.runs.records import RecordedRun
from tuner.space import model
from tuner.space.model import Configuration, Knob, Value
from tuner.worker.protocol import Outcome, Role

EXECUTION = Knob(
    "execution", "", "model", "unset", ("unset", "compiled", "engine", "traced"), "execution",
    files={"engine": ".onnx"},
)  # fmt: skip
WAYS = replace(SPACE, knobs=(EXECUTION, *SPACE.knobs[1:]))


def run(trial: int, ms: float = 0.0, outcome: Outcome = Outcome.OK, **knobs: Value) -> RecordedRun:
    """A run of WAYS's baseline with some knobs set."""
    configuration: Configuration = {**WAYS.baseline(), **knobs}
    made = recorded(trial, ms, outcome, spin=configuration["spin"])
    return replace(made, configuration=configuration)


def confirming(searched: RecordedRun, ms: float, block: int) -> RecordedRun:
    """A run of a block of the confirmation of four trials, of the same configuration."""
    again = run(searched.trial, ms)
    spec = replace(again.run.spec, role=Role.CONFIRM, block=block, after_trials=4)
    made = replace(again.run, spec=spec)
    return replace(searched, run=made)


def summary_of(*runs: RecordedRun) -> Summary:
    record = replace(study_record(), space=model.to_dict(WAYS))
    return summarize(record, runs)


def shown(result: ExecutionResult) -> tuple[Value, Configuration, str, tuple[float, ...], str, str]:
    return (
        result.execution, result.configuration, result.outcome, result.speedups, result.demand,
        result.file,
    )  # fmt: skip


def test_each_way_stands_with_its_best_configuration_and_what_that_asks() -> None:
    summary = summary_of(
        run(0, 10),
        run(1, 8, spin="on"),
        run(2, 5, execution="compiled"),
        run(3, 4, execution="compiled", spin="on"),
        run(4, 2, execution="engine"),
        run(5, 2.5, execution="engine", spin="on"),
        run(6, outcome=Outcome.UNSUPPORTED, execution="traced"),
    )
    assert [shown(result) for result in conclude(summary).by_execution] == [
        ("engine", {"execution": "engine"}, "ok", (5.0,), "file", ".onnx"),
        ("compiled", {"execution": "compiled", "spin": "on"}, "ok", (2.5,), "code", ""),
        ("unset", {"spin": "on"}, "ok", (1.25,), "settings", ""),
        ("traced", {"execution": "traced"}, "unsupported", (), "code", ""),
        ("unset", {}, "ok", (1.0,), "nothing", ""),
    ]


def test_the_baseline_stands_last_even_where_nothing_beats_it() -> None:
    results = conclude(summary_of(run(0, 10), run(1, 20, execution="engine"))).by_execution
    assert [shown(result)[:4] for result in results] == [
        ("engine", {"execution": "engine"}, "ok", (0.5,)),
        ("unset", {}, "ok", (1.0,)),
    ]
    assert results[1].demand == "nothing"


def test_a_way_of_which_nothing_keeps_the_limit_says_so() -> None:
    asked = Setup("m", objective="throughput", max_latency_ms=9)
    record = replace(study_record(asked), space=model.to_dict(WAYS))
    runs = [run(0, 8), run(1, 12, execution="engine"), run(2, 11, execution="engine", spin="on")]
    (engine, _) = conclude(summarize(record, runs)).by_execution
    assert (engine.configuration["spin"], engine.outcome) == ("on", "over the limit")


def test_other_batch_sizes_and_a_space_without_a_choice_have_no_table() -> None:
    one_way = summary_of(run(0, 10), run(1, 1, execution="engine", batch_size=8))
    assert conclude(one_way).by_execution == ()
    assert conclude(summarize(study_record(), [recorded(0, 10)])).by_execution == ()


def test_the_file_of_the_best_engine_is_named() -> None:
    best = run(1, 2, execution="engine")
    result = replace(best.run.result, exported="abc.onnx")
    best = replace(best, run=replace(best.run, result=result))
    assert conclude(summary_of(run(0, 10), best)).exported == "abc.onnx"
    assert conclude(summary_of(run(0, 10), run(1, 5, spin="on"))).exported == ""


def test_of_a_way_that_was_measured_again_the_best_is_of_those_runs() -> None:
    searched = [
        run(0, 10),
        run(1, 5, execution="engine"),
        run(2, 4, execution="engine", spin="on"),
        run(3, 3, execution="engine", threads=1),
    ]
    fresh = [
        confirming(searched[0], 10, 2),
        confirming(searched[1], 2, 2),
        confirming(searched[2], 4, 2),
    ]
    (engine, _) = conclude(summary_of(*searched, *fresh)).by_execution
    assert (engine.configuration, engine.speedups, engine.fresh) == (
        {"execution": "engine"}, (5.0,), True,
    )  # fmt: skip
