"""What npu-tune finds against what one would call by hand, in turns, in heats of all of them.

    python benchmarks/side_by_side.py [--model mobilenet_v2] [--batch 1] [--heats 16] [--trials 24]

Needs the engines: .envs/engines/bin/python, once `make test-engines` has run. First a study finds
the winner, and the best without an engine; then each heat has a fresh process of each way, and
gives one ratio for each pair of them. In f32, but for the line that says otherwise. Intervals:
95 %, heats resampled. About half an hour for a model and a batch size on two cores.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from heats import bootstrap
from measuring import measuring

import tuner
from tuner.evidence.conclude import conclude
from tuner.evidence.objectives import OBJECTIVES
from tuner.evidence.result import Result
from tuner.options import Setup
from tuner.runs import heat
from tuner.runs.launcher import Launcher
from tuner.runs.store import Store
from tuner.space.model import Configuration
from tuner.study import stored
from tuner.study.runner import Runner
from tuner.worker.protocol import Measurement, Role, TrialSpec

STORAGE = "sqlite:///results/side_by_side.db"
DIRECT = Path(__file__).parent / "direct.py"
RUN_CPU = ("-m", "torch.backends.xeon.run_cpu", "--ninstances", "1", "--no-python")
LATENCY = OBJECTIVES["latency"]
LOSSY = "openvino by itself (its own precision)"
BY_HAND = ("onnxruntime by hand", "openvino by hand")


@dataclass(frozen=True)
class Way:
    """One line of the table. model: a factory of direct.py."""

    name: str
    model: str
    configuration: Configuration
    by_run_cpu: bool = False


def ways(model: str, best: Configuration, without: Configuration) -> list[Way]:
    """Eager first; what is compared with it."""
    return [
        Way("eager", model, {}),
        Way("torch.compile", model, {"execution": "inductor"}),
        Way("max-autotune + freezing", model, {"execution": "inductor-max-autotune"}),
        Way("torch.backends.xeon.run_cpu", model, {}, by_run_cpu=True),
        Way(BY_HAND[0], f"{model}_onnxruntime", {}),
        Way(BY_HAND[1], f"{model}_openvino", {}),
        Way(LOSSY, f"{model}_openvino_default", {}),
        Way("npu-tune", model, best),
        Way("npu-tune without engines", model, without),
    ]


def setup_of(model: str, batch: int, trials: int) -> Setup:
    """Of the study and of the heats."""
    pins = {"batch_size": str(batch)}
    return Setup(f"{DIRECT}:{model}", trials=trials, pins=pins).validated()


def found(model: str, batch: int, trials: int) -> Result:
    """The study's result; one that is there already is not made again."""
    name, store = f"{model}-{batch}", Store(STORAGE)
    if store.study(name) is not None:
        return conclude(stored.load(store, name))
    return tuner.tune(
        f"{DIRECT}:{model}", study=name, storage=STORAGE, trials=trials, backend="cpu",
        set={"batch_size": str(batch)}, on_progress=lambda line: print(line, file=sys.stderr),
    )  # fmt: skip


def without_engines(result: Result) -> Configuration:
    """The best of the ways that load no file."""
    own = [r for r in result.by_execution if r.demand != "file"]
    return own[0].configuration if own else {}


def spec_of(runner: Runner, way: Way, number: int, of_heat: int) -> tuple[Launcher, TrialSpec]:
    """A run of its own in a heat; all are compared with eager's output."""
    launcher = runner.launcher
    assert launcher is not None
    if way.by_run_cpu:
        launcher = replace(launcher, prefix=(launcher.python, *RUN_CPU))
    configuration = {**runner.space.baseline(), **way.configuration}
    spec = runner.trial_spec(number, configuration, Role.CONFIRM if number else Role.BASELINE)
    model = replace(spec.model, reference=f"{DIRECT}:{way.model}")
    lossy = 0.1 if way.name == LOSSY else None
    own = {"weights_path": "", "inputs_path": "", "tolerance": lossy, "heat": of_heat}
    return launcher, replace(spec, model=model, **own)  # type: ignore[arg-type]


def measured(runner: Runner, lines: list[Way], heats: int) -> list[dict[str, Measurement]]:
    """By heat and way; a way that failed is said and left out of its heat."""
    made = []
    for number in range(1, heats + 1):
        wanted = [spec_of(runner, way, place, number) for place, way in enumerate(lines)]
        runs, _ = heat.measure(number, wanted, at_once=runner.usable_cpus)
        of_heat = {}
        for way, run in zip(lines, runs, strict=True):
            if run is not None and run.result.measurement is not None:
                of_heat[way.name] = run.result.measurement
            elif run is not None:
                print(f"heat {number}: {way.name}: {run.result.message}", file=sys.stderr)
        made.append(of_heat)
        print(f"heat {number} of {heats}", file=sys.stderr, flush=True)
    return made


def ratio(heats: list[dict[str, Measurement]], slower: str, faster: str) -> str:
    """How many times faster, with its interval."""
    both = [h for h in heats if slower in h and faster in h]
    rows = [(LATENCY.log_ratio(h[slower], h[faster]), 0.0) for h in both]
    if len(rows) < 2:
        return "not measured"
    value, low, high = bootstrap(rows, lambda r: statistics.fmean(own for own, _ in r))
    shown = "{:.2f}x ({:.2f} to {:.2f}), {} heats"
    return shown.format(*map(math.exp, (value, low, high)), len(rows))


def report(heats: list[dict[str, Measurement]], lines: list[Way]) -> None:
    """A line for each way against eager, then the winner against each by hand."""
    for way in lines:
        own = [LATENCY.of(h[way.name]) for h in heats if way.name in h]
        ms = f"{statistics.median(own):8.3f} ms" if own else " " * 11
        print(f"{way.name:40} {ms}  {ratio(heats, 'eager', way.name)}  {way.configuration or ''}")
    for name in BY_HAND:
        print(f"npu-tune against {name}: {ratio(heats, name, 'npu-tune')}")


def without_counts(configuration: Mapping[str, object]) -> Configuration:
    """Neither warm-up nor batch size: those are the same for all."""
    return {k: v for k, v in configuration.items() if k not in ("warmup", "batch_size")}  # type: ignore[misc]


def main() -> None:
    """The study, the heats, the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mobilenet_v2")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--heats", type=int, default=16)
    parser.add_argument("--trials", type=int, default=24)
    arguments = parser.parse_args()
    model, batch = arguments.model, arguments.batch
    result = found(model, batch, arguments.trials)
    lines = ways(model, without_counts(result.configuration), without_engines(result))
    setup = setup_of(model, batch, arguments.trials)
    with measuring(setup, Store(STORAGE), f"{model}-{batch}-heats") as runner:
        heats = measured(runner, lines, arguments.heats)
    print(f"{model} at batch size {batch}, {arguments.heats} heats of {len(lines)}")
    report(heats, lines)


if __name__ == "__main__":
    main()
