"""A pretended interpreter: answers from a table what a worker with torch would have measured.

    PRETEND_TABLE=table.json python pretend_python.py -u <folder>/worker/__main__.py <run_dir>

The worker's own supervisor starts it once more, to measure: it reads the spec and writes what the
worker would have written, by the worker's own protocol, in a tenth of a second. The
table's keys are in `pretend.TABLE`. A label says of which runs an entry is: `knob=value`, or
`role=hold-out`; `a=1&b=2` of those with both. Every run is noted in `<table>.runs`: a run that is
made again scatters anew, a study that is begun anew in another folder does not.
"""

from __future__ import annotations

import dataclasses
import fcntl
import importlib
import importlib.util
import json
import math
import os
import random
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

SAMPLES, BLOCKS, CALLS_PER_BLOCK = 100, 5, 10
SAMPLES_IN_TURN = 7  # ten turns make enough
SCATTER_WITHIN = 0.002  # of the calls of one run


def load_main(worker: Path) -> Any:
    """The worker's own beginning; its package is `npu_tune_worker` then."""
    spec = importlib.util.spec_from_file_location("worker_main", worker)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.load_worker_package()
    return module


def main(worker: Path, arguments: list[str]) -> None:
    """Supervise as the worker does, with this interpreter for the measuring process; or measure."""
    main_module = load_main(worker)
    if "--measure" not in arguments:
        python = os.environ["PRETEND_TABLE"].removesuffix(".json")
        main_module.main(arguments, [python, "-u"])
        return
    names = ("protocol", "facts", "exchange", "line", "lifeline")
    parts = {n: importlib.import_module(f"npu_tune_worker.{n}") for n in names}
    parts["lifeline"].end_with_parent(int(arguments[-1]))
    protocol = SimpleNamespace(**{**vars(parts["facts"]), **vars(parts["protocol"])})
    measure(protocol, parts["exchange"], Path(arguments[0]), parts["line"].Line())


def measure(protocol: Any, exchange: Any, run_dir: Path, line: Any) -> None:
    """Read the spec; write the result, or hand over the samples of one heat after the other."""
    spec = exchange.read(protocol.TrialSpec, str(run_dir / protocol.SPEC_FILE))
    file = Path(os.environ["PRETEND_TABLE"])
    table = json.loads(file.read_text())
    labels = {f"{knob.name}={knob.value}" for knob in spec.knobs} | {f"role={spec.role.value}"}
    failures = applying(table["failures"], labels)
    if failures:
        result = failed(protocol, failures[0])
    elif spec.role == protocol.Role.LOCATE:
        chip = {"chip": table["fingerprint"].get("chip")}
        facts = protocol.ProbeFacts(table["backend"])
        result = protocol.TrialResult(protocol.Outcome.OK, probe=facts, fingerprint=chip)
    elif spec.role == protocol.Role.PROBE:
        result = probed(protocol, spec, table)
    else:
        note = file.with_suffix(".runs")
        result = measured(protocol, spec, table, labels, note, prepared=bool(spec.heat))
        if spec.heat and result.outcome == protocol.Outcome.OK:
            take_turns(protocol, exchange, spec, result, run_dir, line, table)
            return
    exchange.write(result, str(run_dir / protocol.RESULT_FILE))


def take_turns(
    protocol: Any,
    exchange: Any,
    spec: Any,
    result: Any,
    run_dir: Path,
    line: Any,
    table: dict[str, Any],
) -> None:
    """Answer every command; the samples of a turn are some of those of a run alone."""
    turns: list[int] = []
    time.sleep(table["prepare_s"])
    line.answer(protocol.READY)
    for word, number in line:
        if word == protocol.LEAVE:
            return
        if word == protocol.WARM and no_reference(protocol, spec):
            exchange.write(no_reference(protocol, spec), str(run_dir / protocol.RESULT_FILE))
            return
        if word == protocol.TURN:
            time.sleep(table["turn_s"])
            turns.append(number)
        if word == protocol.PART:
            part = dataclasses.replace(
                result, measurement=in_turns(result.measurement, turns, spec.rule.in_blocks)
            )
            exchange.write(part, str(run_dir / protocol.PART_FILE.format(number)))
            turns = []
            time.sleep(table["part_s"])
        line.answer(word, SAMPLES_IN_TURN * len(turns))


def in_turns(measurement: Any, turns: list[int], in_blocks: bool) -> Any:
    """The run's samples, dealt out."""
    count = SAMPLES_IN_TURN * len(turns)
    blocks = turns if in_blocks else turns[2::3]
    times = len(blocks) // BLOCKS + 1
    return dataclasses.replace(
        measurement,
        dispatch_ns=(measurement.dispatch_ns * 2)[:count],
        latency_ns=(measurement.latency_ns * 2)[:count],
        block_ns=(measurement.block_ns * times)[: len(blocks)],
        latency_turns=[turn for turn in turns for _ in range(SAMPLES_IN_TURN)],
        block_turns=blocks,
        turns=turns,
        turn_started_ns=[10**9 * turn for turn in turns],
        unscored_ns=measurement.latency_ns[: len(turns)],
        turn_cpu_ns=[10**8] * len(turns),
        turn_wait_ns=[0] * len(turns),
        turn_pressure_ns=[0] * len(turns),
    )


def applying(entries: dict[str, Any], labels: set[str]) -> list[Any]:
    """The entries that are of this run."""
    return [entry for label, entry in entries.items() if set(label.split("&")) <= labels]


def failed(protocol: Any, failure: dict[str, Any]) -> Any:
    """The failure's outcome; without one it dies by a signal or an exit code, with last words."""
    message = failure.get("message", "")
    if "outcome" in failure:
        outcome = protocol.Outcome(failure["outcome"])
        return protocol.TrialResult(outcome, message)
    sys.stderr.write(message + "\n")
    if "signal" in failure:
        os.kill(os.getpid(), failure["signal"])
    os._exit(failure["exit"])


def probed(protocol: Any, spec: Any, table: dict[str, Any]) -> Any:
    """What can be done here; the shared weights are an empty file."""
    backend = table["backend"]
    if spec.backend not in ("auto", backend):
        message = f"backend {spec.backend}: the table is of {backend}"
        return protocol.TrialResult(protocol.Outcome.ENVIRONMENT_ERROR, message)
    facts = {"backend": backend, "backend_reason": "as the table says"}
    if spec.model.source:
        Path(spec.weights_path).touch()
        facts.update(table["model"])
    if spec.probe is not None:
        facts["missing"] = {
            handler: {
                str(value): table["missing"].get(f"{handler}={value}", "") for value in values
            }
            for handler, values in spec.probe.values.items()
        }
        facts["libraries"] = {
            name: table["libraries"].get(name, "") for name in spec.probe.libraries
        }
    known = {"probe": protocol.ProbeFacts(**facts), "fingerprint": table["fingerprint"]}
    return protocol.TrialResult(protocol.Outcome.OK, **known)


def no_reference(protocol: Any, spec: Any) -> Any:
    """The result of a run that cannot be checked; None where it can. The baseline makes it."""
    if spec.role == protocol.Role.BASELINE:
        Path(spec.reference_path).touch()
    if spec.role == protocol.Role.PROFILE or Path(spec.reference_path).exists():
        return None
    message = f"FileNotFoundError: {spec.reference_path}"
    return protocol.TrialResult(protocol.Outcome.CRASHED, message)


def measured(
    protocol: Any,
    spec: Any,
    table: dict[str, Any],
    labels: set[str],
    note: Path,
    prepared: bool = False,
) -> Any:
    """Times by the table; the baseline leaves its reference output, an empty file.

    prepared: only that far; the output is checked in the first turn.
    """
    is_profile = spec.role == protocol.Role.PROFILE
    if not prepared and (failure := no_reference(protocol, spec)):
        return failure
    chance = chance_of(spec, labels, note)
    call_ns = 1e6 * table["latency_ms"] * math.exp(chance.gauss(0, table["scatter"]))
    call_ns *= math.prod(applying(table["factors"], labels))
    measurement = measurement_of(protocol, spec, table["model"]["batch_size"], call_ns, chance)
    digest = "".join(applying(table["digests"], labels)) or "as the baseline's"
    return protocol.TrialResult(
        protocol.Outcome.OK,
        phases_s={"interpreter": 0.02, "import": 1.0, "build": 0.1, "samples": call_ns / 1e7},
        measurement=None if is_profile else measurement,
        output=None if is_profile else protocol.OutputCheck("passed", digest, 0.0),
        read_back={knob.name: read_back(protocol, knob, table["resolved"]) for knob in spec.knobs},
        peak_memory_bytes=2**20,
        memory=protocol.Memory(**table["memory"]) if table["memory"] else None,
        fingerprint=table["fingerprint"],
        profile=profile_of(protocol, measurement, call_ns) if is_profile else None,
    )


def chance_of(spec: Any, labels: set[str], note: Path) -> random.Random:
    """Scatter that hangs on what the run is, and on how often it was made before."""
    run = f"seed={spec.seed} trial={spec.trial} block={spec.block} {' '.join(sorted(labels))}"
    with note.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another run of the heat may be the same
        file.seek(0)
        before = file.read().splitlines().count(run)
        file.write(run + "\n")
    return random.Random(f"{run} {before}")


def measurement_of(
    protocol: Any, spec: Any, own_batch: int, call_ns: float, chance: random.Random
) -> Any:
    """Enough samples for a 90th percentile, and blocks; nothing drifts."""
    latency_ns = [int(call_ns * (1 + chance.gauss(0, SCATTER_WITHIN))) for _ in range(SAMPLES)]
    return protocol.Measurement(
        warmup_ns=[int(3 * call_ns)] + [int(call_ns)] * (spec.rule.warmup_calls - 1),
        dispatch_ns=[ns // 2 for ns in latency_ns],
        latency_ns=latency_ns,
        block_ns=[ns * CALLS_PER_BLOCK for ns in latency_ns[:BLOCKS]],
        calls_per_block=CALLS_PER_BLOCK,
        batch_size=spec.batch_size or own_batch,
        rested_ns=[int(1.5 * call_ns)] if spec.rule.pause_ms else [],
    )


def read_back(protocol: Any, knob: Any, resolved: dict[str, Any]) -> Any:
    """As asked; what is unset is as the table resolves it, where it does."""
    if knob.value == protocol.UNSET and knob.name not in resolved:
        return protocol.ReadBack(knob.value, False, "as asked")
    value = resolved[knob.name] if knob.value == protocol.UNSET else knob.value
    return protocol.ReadBack(value, True, "by the table")


def profile_of(protocol: Any, measurement: Any, call_ns: float) -> Any:
    """Nine tenths of a call in one operator."""
    return protocol.ProfileFacts(
        dispatch_ns=measurement.dispatch_ns,
        latency_ns=measurement.latency_ns,
        fallbacks=[],
        faults_per_call=0.0,
        kernel_share=0.0,
        traced_ns=[int(call_ns)] * 3,
        operators=[protocol.OperatorTime("aten::conv2d", 3, int(2.7 * call_ns))],
    )


if __name__ == "__main__":
    main(Path(sys.argv[2]), sys.argv[3:])  # after -u
