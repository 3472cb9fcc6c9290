"""The worker for real: its own process, torch, tiny models."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import DATA
from tests.support.once import once
from tuner.runs.launcher import WORKER, Launcher
from tuner.runs.records import Run
from tuner.worker import exchange
from tuner.worker.protocol import (
    PHASES_FILE,
    SPEC_FILE,
    TOKEN_VARIABLE,
    InputSpec,
    KnobSetting,
    MeasurementRule,
    ModelSpec,
    Outcome,
    ProbeRequest,
    Role,
    TrialResult,
    TrialSpec,
)

TINY = str(DATA / "models" / "tiny.py")
RULE = MeasurementRule(
    warmup_calls=3, min_samples=5, min_time_s=0.0, max_time_s=1.0, blocks=3, block_time_s=0.001
)
Launch = Callable[..., Run]


def setting(name: str, value: Any, apply: str = "model") -> KnobSetting:
    return KnobSetting(name, value, apply, name)


def spec_in(folder: Path) -> TrialSpec:
    """A baseline run of the tiny convnet, which leaves its reference output in a folder."""
    return TrialSpec(
        study="s",
        trial=0,
        role=Role.BASELINE,
        backend="cpu",
        model=ModelSpec("python_file", f"{TINY}:conv"),
        batch_size=1,
        rule=RULE,
        deadline_s=120,
        weights_path=str(folder / "weights.pt"),
        reference_path=str(folder / "outputs.pt"),
    )


@pytest.fixture
def launch(torch_python: str, tmp_path: Path) -> Launch:
    """Run a spec that differs from a baseline run of the tiny convnet in some fields."""
    launcher = Launcher(torch_python, tmp_path / "runs")
    return lambda **fields: launcher.run(replace(spec_in(tmp_path), **fields))


@pytest.fixture
def baseline(torch_python: str, shared: Path, tmp_path: Path) -> TrialResult:
    """The result of such a run, made once; its reference output is the test's as well."""

    def make(folder: Path) -> None:
        run = Launcher(torch_python, folder / "runs").run(spec_in(folder))
        exchange.write(run.result, str(folder / "result.json"))

    folder = once(shared / "cpu-baseline", make)
    shutil.copy(folder / "outputs.pt", tmp_path)
    return exchange.read(TrialResult, str(folder / "result.json"))


def test_a_run_keeps_every_sample_and_leaves_nothing_loaded_that_is_not_torch(
    launch: Launch, tmp_path: Path
) -> None:
    model = tmp_path / "spy.py"
    model.write_text(
        "import sys, torch\n"
        "class Spy(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        banned = ('optuna', 'sqlalchemy', 'yaml', 'pydantic', 'click', 'tuner')\n"
        "        assert not [m for m in banned if m in sys.modules]\n"
        "        return x + 1\n"
        "def make(): return Spy(), torch.randn(1, 4)\n"
    )
    run = launch(model=ModelSpec("python_file", f"{model}:make"))
    assert run.result.outcome is Outcome.OK, run.result.message
    measured = run.result.measurement
    assert measured is not None
    assert (len(measured.warmup_ns), len(measured.latency_ns)) == (3, 5)
    assert (len(measured.dispatch_ns), len(measured.block_ns)) == (5, 3)
    assert all(d <= t for d, t in zip(measured.dispatch_ns, measured.latency_ns, strict=True))


def test_processors_are_counted_before_torch_binds_itself(
    torch_python: str, tmp_path: Path
) -> None:
    launcher = Launcher(torch_python, tmp_path / "runs", {"OMP_PROC_BIND": "true"})
    result = launcher.run(spec_in(tmp_path)).result
    assert result.fingerprint["usable_cpus"] == len(os.sched_getaffinity(0))


def test_phases_are_all_there(baseline: TrialResult) -> None:
    phases = baseline.phases_s
    assert {"interpreter", "import", "device", "build", "transform"} <= phases.keys()
    assert {"first_call", "warmup", "samples"} <= phases.keys()


@pytest.mark.parametrize(
    ("knob", "read_back"),
    [
        (setting("threads", 1, "process"), 1),
        (setting("memory_format", "channels_last"), "channels_last"),
        (setting("execution", "torchscript"), "torchscript"),
        (setting("execution", "inductor-freezing"), "inductor-freezing"),
        (setting("execution", "inductor-max-autotune"), "inductor-max-autotune"),
    ],
)
@pytest.mark.usefixtures("baseline")
def test_a_knob_in_the_process_is_read_back_with_certainty(
    launch: Launch, knob: KnobSetting, read_back: object
) -> None:
    result = launch(role=Role.SEARCH, knobs=[knob]).result
    assert result.outcome is Outcome.OK, result.message
    assert result.output is not None
    assert result.output.status == "passed"
    assert (result.read_back[knob.name].value, result.read_back[knob.name].certain) == (
        read_back,
        True,
    )


def test_a_worker_on_fewer_processors_has_as_many_threads(launch: Launch) -> None:
    names = {"worker_cpus": 1, "threads": "unset"}
    back = launch(knobs=[setting(*knob, "process") for knob in names.items()]).result.read_back
    assert (back["worker_cpus"].value, back["threads"].value) == (1, 1)


def test_environment_knobs_are_seen_in_the_runtime(launch: Launch) -> None:
    keep = {
        "MALLOC_TRIM_THRESHOLD_": "1073741824",
        "MALLOC_MMAP_THRESHOLD_": "33554432",
        "MALLOC_TOP_PAD_": "67108864",
    }
    knobs = [
        KnobSetting("allocator", "glibc-keep", "environment", "allocator", keep),
        KnobSetting("wait", "active", "environment", "openmp", {"OMP_WAIT_POLICY": "ACTIVE"}),
    ]
    unset = [replace(knob, value="unset", variables={}) for knob in knobs]
    before = launch(knobs=unset).result.read_back
    after = launch(knobs=knobs).result.read_back
    assert (before["allocator"].value, after["allocator"].value) == ("glibc", "glibc-keep")
    assert after["wait"].value == "active"
    assert before["wait"].value != "active"
    assert all(back.certain for back in [*before.values(), *after.values()])


def test_a_variable_without_a_witness_is_unverified(launch: Launch) -> None:
    knob = KnobSetting("x", "on", "environment", "", {"SOME_VARIABLE": "1"})
    back = launch(knobs=[knob]).result.read_back["x"]
    assert not back.certain


@pytest.mark.parametrize("factory", ["tuple_inputs", "dict_inputs"])
def test_a_batch_repeats_every_input_of_the_example(launch: Launch, factory: str) -> None:
    model = ModelSpec("python_file", f"{TINY}:{factory}")
    result = launch(model=model, batch_size=6).result
    assert result.outcome is Outcome.OK, result.message
    assert result.measurement is not None
    assert result.measurement.batch_size == 6


@pytest.mark.usefixtures("baseline")
def test_a_configuration_that_computes_something_else_is_wrong_output(launch: Launch) -> None:
    result = launch(role=Role.SEARCH, seed=1).result
    assert result.outcome is Outcome.WRONG_OUTPUT
    assert "elements differ: relative error" in result.message
    assert result.measurement is None


def test_a_trace_that_keeps_one_way_of_a_branch_is_wrong_on_other_inputs(launch: Launch) -> None:
    model = ModelSpec("python_file", f"{TINY}:branches")
    assert launch(model=model).result.outcome is Outcome.OK
    traced = launch(model=model, role=Role.SEARCH, knobs=[setting("execution", "torchscript")])
    assert traced.result.outcome is Outcome.WRONG_OUTPUT
    assert traced.result.message.startswith("on other inputs of the same shapes: 2 of 2 elements")


@pytest.mark.usefixtures("baseline")
def test_what_keeps_nothing_of_its_inputs_passes_on_others_too(launch: Launch) -> None:
    traced = launch(role=Role.SEARCH, knobs=[setting("execution", "torchscript")]).result
    assert traced.output is not None
    assert (traced.outcome, traced.output.others) == (Outcome.OK, "passed")
    plain = launch(role=Role.SEARCH, knobs=[setting("threads", 1, "process")]).result
    assert plain.output is not None
    assert plain.output.others == ""


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("nan", "the baseline's output holds NaN or infinity"),
        ("zeros", "the baseline's output is all zeros"),
    ],
)
def test_a_reference_that_tells_nothing_is_reported_not_passed(
    launch: Launch, factory: str, reason: str
) -> None:
    result = launch(model=ModelSpec("python_file", f"{TINY}:{factory}")).result
    assert result.output is not None
    assert (result.output.status, result.output.reason) == ("impossible", reason)


@pytest.mark.parametrize(
    ("factory", "outcome", "message"),
    [
        ("raises", Outcome.CRASHED, "RuntimeError: the cat sat on the keyboard (tiny.py:58)"),
        ("exits", Outcome.CRASHED, "SystemExit: 5 (tiny.py:66)"),
        ("not_a_module", Outcome.UNSUPPORTED, "not a torch.nn.Module"),
        ("nowhere", Outcome.UNSUPPORTED, "has no function 'nowhere'"),
        ("without_inputs", Outcome.UNSUPPORTED, "--input 1x3x224x224"),
    ],
)
def test_a_bad_model_file_is_named_in_one_line(
    launch: Launch, factory: str, outcome: Outcome, message: str
) -> None:
    result = launch(model=ModelSpec("python_file", f"{TINY}:{factory}")).result
    assert result.outcome is outcome
    assert message in result.message
    assert "\n" not in result.message


def test_memory_beyond_the_limit_is_out_of_memory(launch: Launch, tmp_path: Path) -> None:
    model = tmp_path / "hungry.py"
    model.write_text(
        "import torch\n"
        "class Hungry(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        kept = []\n"
        "        while True: kept.append(torch.zeros(2**24))\n"
        "def make(): return Hungry(), torch.randn(1)\n"
    )
    spec = ModelSpec("python_file", f"{model}:make")
    result = launch(model=spec, memory_limit_bytes=2 * 2**30).result
    assert result.outcome is Outcome.OUT_OF_MEMORY


@pytest.mark.usefixtures("torchvision_python")
def test_the_probe_answers_and_shares_calibrated_weights(launch: Launch, tmp_path: Path) -> None:
    request = ProbeRequest({"execution": ["torchscript", "inductor"]}, ["libnosuch.so"])
    model = ModelSpec("torchvision", "mobilenet_v2", inputs=[InputSpec([1, 3, 64, 64])])
    facts = launch(role=Role.PROBE, backend="auto", model=model, probe=request).result.probe
    assert facts is not None
    assert (facts.backend, facts.batch_size) == ("cpu", 1)
    assert facts.missing["execution"] == {"torchscript": "", "inductor": ""}
    assert facts.libraries == {"libnosuch.so": ""}
    assert (tmp_path / "weights.pt").exists()


@pytest.mark.usefixtures("torchvision_python")
def test_an_unknown_torchvision_name_gets_the_nearest(launch: Launch) -> None:
    result = launch(role=Role.PROBE, model=ModelSpec("torchvision", "mobilnet_v2")).result
    assert result.outcome is Outcome.UNSUPPORTED
    assert "no model 'mobilnet_v2'; nearest: mobilenet_v2" in result.message


def test_torchscript_and_exported_models_run(
    launch: Launch, torch_python: str, tmp_path: Path
) -> None:
    code = (
        "import torch\nm = torch.nn.Linear(4, 2).eval()\nx = torch.randn(1, 4)\n"
        f"torch.jit.trace(m, x).save({str(tmp_path / 'm.pt')!r})\n"
        f"torch.export.save(torch.export.export(m, (x,)), {str(tmp_path / 'm.pt2')!r})\n"
    )
    subprocess.run([torch_python, "-W", "ignore", "-c", code], check=True)
    script = ModelSpec("torchscript", str(tmp_path / "m.pt"), inputs=[InputSpec([1, 4])])
    exported = ModelSpec("exported", str(tmp_path / "m.pt2"))
    first = launch(model=script).result
    second = launch(model=exported, reference_path=str(tmp_path / "other.pt")).result
    assert (first.outcome, second.outcome) == (Outcome.OK, Outcome.OK), second.message


def test_weights_from_a_file_are_loaded_without_running_code(
    launch: Launch, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.pt"
    bad.write_bytes(b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.")
    model = ModelSpec("python_file", f"{TINY}:conv", weights=str(bad))
    result = launch(model=model).result
    assert result.outcome is Outcome.UNSUPPORTED
    assert "weights_only=True" in result.message


@pytest.fixture
def stuck(torch_python: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker, of a deadline of 3 s, whose model holds the interpreter's lock for ever."""
    model = tmp_path / "stuck.py"
    model.write_text("import ctypes\ndef make(): ctypes.PyDLL(None).sleep(600)\n")
    model_spec = ModelSpec("python_file", f"{model}:make")
    spec = replace(spec_in(tmp_path), model=model_spec, deadline_s=3.0)
    exchange.write(spec, str(tmp_path / SPEC_FILE))
    command = [torch_python, str(WORKER), str(tmp_path)]
    environment = {**os.environ, TOKEN_VARIABLE: "t"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as worker:
        yield worker
        worker.kill()


def measuring_in(folder: Path) -> list[str]:
    """The processes that measure there."""
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [" ".join(line) for line in lines if str(folder) in line and "--measure" in line]


def test_a_worker_ends_itself_when_its_controller_is_gone(
    stuck: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert stuck.stdin is not None
    stuck.stdin.close()
    assert stuck.wait(timeout=60) == 1
    assert measuring_in(tmp_path) == []


def test_a_worker_stuck_beyond_its_deadline_ends_itself(
    stuck: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert stuck.wait(timeout=60) == 1
    assert stuck.stdout is not None
    assert stuck.stdout.read() == b"t ended timeout\n"
    assert (tmp_path / PHASES_FILE).read_text().startswith("import ")
    assert measuring_in(tmp_path) == []


def test_nothing_forks_beside_the_threads_that_end_a_run(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def tell():\n"
        "    print('threads at fork:', len(os.listdir('/proc/self/task')), file=sys.stderr)\n"
        "os.register_at_fork(before=tell)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = launch(knobs=[KnobSetting("allocator", "unset", "environment", "allocator")])
    assert run.result.read_back["allocator"].certain, run.log_tail
    lines = [line for line in run.log_tail.splitlines() if line.startswith("threads at fork")]
    assert lines[:1] == ["threads at fork: 1"]
