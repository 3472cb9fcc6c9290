"""Kinds of models that tools choke on, as the probe and the first runs see them: no process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.real.worker.test_odd_models import made
from tests.support import DATA
from tuner.worker import build, probe, repeatable, weights
from tuner.worker.facts import ProbeFacts
from tuner.worker.failure import RunError, one_line, outcome_of
from tuner.worker.knobs import execution
from tuner.worker.models import python_file
from tuner.worker.outputs import Outputs
from tuner.worker.protocol import KnobSetting, ModelSpec, Outcome, Role, TrialSpec
from tuner.worker.workload import Workload

MODELS = DATA / "models"
TRACED = [KnobSetting("execution", "torchscript", "model", "execution")]


def spec_of(place: str, role: Role, folder: Path, knobs: Any = ()) -> TrialSpec:
    """A run of `file:factory` whose files lie in the folder."""
    model = ModelSpec("python_file", f"{MODELS}/{place.replace(':', '.py:')}")
    return TrialSpec(
        study="s",
        trial=0,
        role=role,
        backend="cpu",
        model=model,
        knobs=list(knobs),
        weights_path=str(folder / "weights"),
        inputs_path=str(folder / "inputs"),
        reference_path=str(folder / "reference"),
    )


def workload_of(place: str) -> Workload:
    file, _, factory = place.partition(":")
    return made(factory, MODELS / f"{file}.py")


def probed(place: str, folder: Path) -> ProbeFacts:
    """What the probe tells of a model, whose weights and inputs it leaves in the folder."""
    return probe.with_model(ProbeFacts(backend="cpu"), spec_of(place, Role.PROBE, folder), "cpu")


def loaded(spec: TrialSpec) -> Workload:
    """The model as a run loads it."""
    workload = build.workload_of(build.load(spec), spec)
    build.call_where_lazy(workload)
    weights.load(workload.module, spec.weights_path)
    return workload


def traced(place: str, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The checks of a trace's outputs against the baseline's, and what torch warned of."""
    workload = workload_of(place)
    known: dict[str, Any] = {}
    with torch.no_grad():
        baseline = Outputs(spec_of(place, Role.BASELINE, folder), {})
        assert not baseline.first_fails(workload.call(), workload)
        execution.apply("torchscript", workload)
        candidate = Outputs(spec_of(place, Role.SEARCH, folder, TRACED), known)
        assert not candidate.first_fails(workload.call(), workload)
        candidate.last_fails(workload.call(), workload)
    return known, workload.warnings


@pytest.mark.parametrize(
    "place", ["baked_in:branch_on_data", "baked_in:leaves_early", "baked_in:length_from_data"]
)
def test_what_a_trace_keeps_of_its_first_inputs_is_found_by_others(
    place: str, tmp_path: Path
) -> None:
    known, warned = traced(place, tmp_path)
    assert known["output"].status == "failed"
    assert known["output"].reason.startswith("on other inputs of the same shapes: ")
    assert any(text.startswith("Converting a tensor to a Python ") for text in warned)


@pytest.mark.parametrize(
    "place", ["baked_in:bfloat16", "baked_in:float16", "baked_in:bfloat16_body"]
)
def test_steps_of_the_type_in_which_a_model_rounds_are_no_difference(
    place: str, tmp_path: Path
) -> None:
    workload = workload_of(place)
    with torch.no_grad():
        output = workload.call()
        Outputs(spec_of(place, Role.BASELINE, tmp_path), {}).first_fails(output, workload)
        known: dict[str, Any] = {}
        candidate = Outputs(spec_of(place, Role.SEARCH, tmp_path), known)
        step = torch.finfo(next(workload.module.parameters()).dtype).eps
        assert not candidate.first_fails(output * (1 + 3 * step), workload)
        assert candidate.first_fails(output * (1 + 6 * step), workload)


@pytest.mark.parametrize(
    "factory", ["changes_its_input", "changes_a_keyword", "grows_its_input", "pops_its_input"]
)
def test_what_changes_its_input_is_refused_with_what_to_do(factory: str) -> None:
    with pytest.raises(RunError) as error:
        repeatable.examine(workload_of(f"repeating:{factory}"), 0)
    assert str(error.value) == repeatable.IN_PLACE


@pytest.mark.parametrize(
    ("factory", "why"),
    [
        ("random_in_forward", repeatable.RANDOM),
        ("variational", repeatable.RANDOM),
        ("random_outside_torch", repeatable.RANDOM),
        ("unseeded", repeatable.STATE),
        ("alternates", repeatable.STATE),
        ("counts_its_calls", ""),
        ("collects_activations", ""),
    ],
)
def test_what_differs_from_call_to_call_has_a_name(factory: str, why: str, tmp_path: Path) -> None:
    facts = probed(f"repeating:{factory}", tmp_path)
    assert facts.not_comparable == why
    assert facts.no_batch == why  # rows cannot be compared, either


def test_what_cannot_be_compared_is_measured_all_the_same(tmp_path: Path) -> None:
    known: dict[str, Any] = {}
    spec = spec_of("repeating:variational", Role.BASELINE, tmp_path)
    spec = replace(spec, model=replace(spec.model, not_comparable=repeatable.RANDOM))
    workload = workload_of("repeating:variational")
    outputs = Outputs(spec, known)
    assert not outputs.first_fails(workload.call(), workload)
    assert not outputs.last_fails(workload.call(), workload)
    assert (known["output"].status, known["output"].reason) == ("impossible", repeatable.RANDOM)


@pytest.mark.parametrize(
    "factory", ["other_input", "other_input_stdlib", "other_input_unseeded", "other_weights"]
)
def test_every_run_has_the_weights_and_inputs_of_the_probe(factory: str, tmp_path: Path) -> None:
    place = f"repeating:{factory}"
    assert probed(place, tmp_path).not_comparable == ""
    spec = spec_of(place, Role.BASELINE, tmp_path)
    with torch.no_grad():
        first, second = (loaded(spec).call() for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("place", "size", "why"),
    [
        ("batches:images", None, "each item of the list is a sample of its own"),
        ("batches:sequence_first", None, "rows of twice the inputs are not what they are alone"),
        ("batches:attention_time_first", None, "rows depend on what is beside them"),
        ("batches:points", None, "rows depend on what is beside them"),
        ("batches:graph", None, "rows of twice the inputs are not what they are alone"),
        ("batches:one_image", None, "it does not take twice the inputs: "),
        ("batches:recogniser", 2, ""),
        ("batches:batch_first", 3, ""),
        ("mappings:tokens", 1, ""),
        ("mappings:ordered_records", 1, ""),
        ("mappings:dict_in_tuple", 1, ""),
        ("mappings:read_only", None, "twice the inputs give no more outputs"),
        ("mappings:packed", None, "twice the inputs give no more outputs"),
        ("mappings:packed_unsorted", None, "twice the inputs give no more outputs"),
        ("mappings:packed_in_a_dict", None, "twice the inputs give no more outputs"),
        ("mappings:own_type", None, "no input has a dimension 0"),
        ("baked_in:bfloat16", 8, ""),
        ("states:lazy", 1, ""),
        ("states:quantised", 1, ""),
    ],
)
def test_only_a_batch_is_a_batch(place: str, size: int | None, why: str, tmp_path: Path) -> None:
    facts = probed(place, tmp_path)
    assert (facts.batch_size, facts.not_comparable) == (size, "")
    assert facts.no_batch.startswith(why)


@pytest.mark.parametrize("factory", ["one_dict", "one_dict_and_options"])
def test_a_dict_that_was_meant_as_one_argument_is_answered_with_the_way(factory: str) -> None:
    with pytest.raises(TypeError) as error:
        workload_of(f"mappings:{factory}").call()
    assert one_line(error.value).endswith(
        "to pass the dict as one argument return (model, (inputs,))"
    )


@pytest.mark.parametrize(
    ("factory", "parameters"),
    [
        ("lazy", 224 + 16 + 8 * 36 * 10 + 10),
        ("lazy_inside", 40 + 72 + 16 + 18),
        ("lazy_transposed", 120),
    ],
)
def test_lazy_parameters_are_counted_with_their_shapes(
    factory: str, parameters: int, tmp_path: Path
) -> None:
    facts = probed(f"states:{factory}", tmp_path)
    assert (facts.parameters, facts.not_comparable) == (parameters, "")


@pytest.mark.parametrize("factory", ["extra_state", "extra_state_with_tensors", "quantised"])
def test_a_state_dict_of_more_than_tensors_is_shared(factory: str, tmp_path: Path) -> None:
    place = f"states:{factory}"
    probed(place, tmp_path)
    spec = spec_of(place, Role.BASELINE, tmp_path)
    with torch.no_grad():
        first, second = (loaded(spec).call() for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(("file", "width"), [("reads_argv", 32), ("reads_argv_name", 48)])
def test_a_script_reads_the_command_line_as_its_author_runs_it(file: str, width: int) -> None:
    assert workload_of(f"{file}:make").module.out_features == width


def test_a_script_that_wants_more_of_its_command_line_says_so(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as error:
        workload_of("reads_argv_required:make")
    assert one_line(error.value).startswith("SystemExit: 2 (reads_argv_required.py:")
    last = capfd.readouterr().err.splitlines()[-1]  # it is quoted, of the log
    assert last.endswith("error: the following arguments are required: --data")


def test_a_library_that_comes_too_late_is_no_lack_of_memory() -> None:
    with pytest.raises(ImportError) as error:
        python_file.load(ModelSpec("python_file", f"{MODELS}/static_tls.py:make"))
    assert outcome_of(error.value) is Outcome.ENVIRONMENT_ERROR
    assert one_line(error.value).endswith(": export LD_PRELOAD=/opt/libgomp.so.1.0.0")


@pytest.mark.parametrize(
    "error",
    [
        OSError("/usr/lib/libjemalloc.so.2: cannot allocate memory in static TLS block"),
        RuntimeError("Failed to load /a.so: /b.so: cannot allocate memory in static TLS block"),
    ],
)
def test_whoever_says_it_the_library_is_named(error: Exception) -> None:
    assert outcome_of(error) is Outcome.ENVIRONMENT_ERROR
    library = str(error).rpartition(": cannot")[0].rpartition(" ")[2]
    assert one_line(error).endswith(f": it was loaded too late: export LD_PRELOAD={library}")
