"""How many runs a study measures in turns, and why: by processors, memory and the device."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..evidence.objectives import latency
from ..language import N_, Message
from ..options import AUTO
from ..policy import MAX_HEAT
from ..runs import heat
from ..runs.records import RecordedRun
from ..worker.facts import Memory
from ..worker.protocol import Outcome, Role, TrialSpec
from .runner import Runner

MOST = 5  # a companion and four: with more in flight the sampler learns too late
SHARE_OF_HOST, SHARE_OF_DEVICE = 0.8, 0.5  # of what is free; a second context takes its own
TURNS_AND_BLOCKS = 1.5  # of the turns' samples: unscored calls, blocks and warm-up on top
COMPANY_COSTS = 1.5  # what preparing at once costs beyond the processors that it shares
GIB = 2**30


@dataclass(frozen=True)
class HeatSize:
    """size: runs alive together, the companion included; 1: each is alone."""

    size: int
    why: Message


def decide(runner: Runner, baseline: RecordedRun, probe: TrialSpec | None = None) -> HeatSize:
    """After the first run of the baseline.

    probe: what is tried beside a waiting process, where a device may take only one.
    """
    asked = runner.setup.heat
    if runner.launcher is None or asked == "1":
        return HeatSize(1, Message("as --heat 1 asks"))
    wanted = _by_processors(runner) if asked == AUTO else HeatSize(int(asked), _as_asked(asked))
    memory = baseline.run.result.memory
    if asked == AUTO:
        wanted = min([wanted, *_rooms(memory)], key=lambda heat: heat.size)
    if wanted.size > 1 and probe is not None and (why := _refused(runner, probe)):
        return HeatSize(1, Message("no second process gets the device: {why}", {"why": why}))
    return wanted


def most_together(runner: Runner) -> int:
    """How many runs fit into one heat of the confirmation, where no sampler learns between them.

    By the memory that the first run of the baseline has seen.
    """
    asked = runner.setup.heat
    if asked != AUTO:
        return int(asked)
    memory = next((m for r in runner.runs if r.ok and (m := r.run.result.memory)), None)
    return min([MAX_HEAT, *(room.size for room in _rooms(memory))])


def _as_asked(asked: str) -> Message:
    return Message("as --heat {size} asks", {"size": asked})


def _by_processors(runner: Runner) -> HeatSize:
    """On a single processor preparations do not overlap; it still gives the ratios."""
    count = runner.usable_cpus
    size = min(MOST, 1 + 2 * count)
    return HeatSize(size, Message("{count} processors", {"count": count}))


def _rooms(memory: Memory | None) -> Iterator[HeatSize]:
    """As many as fit into what is free, of the host's memory and of the device's."""
    if memory is None:
        return
    of_host = N_("{free} GiB free on the host, {peak} GiB a run")
    of_device = N_("{free} GiB free on the device, {peak} GiB a run")
    kinds = (
        (of_host, memory.host_peak_bytes, memory.host_free_bytes, SHARE_OF_HOST),
        (of_device, memory.device_peak_bytes, memory.device_free_bytes, SHARE_OF_DEVICE),
    )
    for text, peak, free, share in kinds:
        if peak and free is not None:
            sizes = {"free": f"{free / GIB:.1f}", "peak": f"{peak / GIB:.1f}"}
            yield HeatSize(max(1, int(share * free / peak)), Message(text, sizes))


def _refused(runner: Runner, probe: TrialSpec) -> str:
    """Why no second process gets the device while one waits there; "" where it does."""
    assert runner.launcher is not None
    base = runner.space.baseline()
    first = replace(runner.trial_spec(0, base, Role.COMPANION), heat=1, companion=0)
    with runner.heats.companion(runner.launcher, first) as member:
        result = heat.beside(member, runner.launcher, probe)
    return "" if result.outcome == Outcome.OK else result.message


def expected_s(runner: Runner, size: int, baseline: RecordedRun) -> float:
    """About how long the search takes in heats of that size, without what compiles.

    By the baseline's own run: what it took to prepare, on as many processors as there are, and
    the calls that its turns hold.
    """
    measurement = baseline.measurement
    assert measurement is not None
    call_s = latency(measurement) / 1e3
    phases = baseline.run.result.phases_s
    prepare_s = sum(phases.get(name, 0.0) for name in ("interpreter", "import", "build"))
    least_s = max(heat.MIN_TURNS * heat.TURN_S, heat.MIN_SAMPLES * call_s)
    turns_s = min(heat.LONGEST_S, TURNS_AND_BLOCKS * least_s)
    runs = runner.setup.trials - 1 + runner.setup.baseline_runs
    heats = math.ceil(runs / (size - 1))
    at_once = min(runner.usable_cpus, size - 1)
    return runs * (COMPANY_COSTS * prepare_s / at_once + turns_s) + heats * turns_s
