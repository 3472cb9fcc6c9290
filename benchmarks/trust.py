"""How far a verdict of npu-tune can be believed: whole studies, replayed on recorded runs.

    python benchmarks/trust.py [--studies 200] [--a-a 500] [--noise 1] [--noise 0.5] [--noise 2]
        [RECORDING …]

A recording (record.py makes one) gives a world with a known truth: the level of each configuration,
with the scatter and the spikes of its ratios, and the drift of the host from heat to heat
(tuner/evidence/world.py). In it whole studies are made in turns, of 40 trials or as many as there
are configurations, confirmed as `npu-tune` does, and judged:

- A/A: every configuration is answered with runs of the baseline. How often is the verdict anything
  but same or unclear?
- promise: the speed-up that is printed, over the true one; how often the interval covers the truth.
- regret: how much slower what is recommended is than the best of the space. Beside it a plain
  Optuna loop and random search, with as many runs as the whole study, hold-out included, that
  believe the best single run; and one run each of every configuration.
- power: one value of one knob makes the baseline 2, 5 or 10 % faster and nothing else does
  anything. How often is the verdict faster?

Emulated CANN where a line says so. What a run is off by is drawn run by run, so that what disturbs
several runs of a heat by different amounts is scattered over the study; and what all runs of a
recording share is not seen at all. real.py measures anew.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tuner import options as study_options
from tuner.evidence.objectives import OBJECTIVES
from tuner.evidence.stats import median
from tuner.evidence.summary import Summary
from tuner.evidence.verdict import Judgement, judge
from tuner.evidence.world import World, world
from tuner.options import Setup
from tuner.policy import BASELINE_RUNS, BATCH_SIZE, WARMUP
from tuner.runs import recording
from tuner.runs.recording import Recording
from tuner.runs.store import MemoryStore
from tuner.space.model import Configuration
from tuner.study.replay import Replay, only_recorded, replayed
from tuner.study.sampler import Sampler, Search
from tuner.worker.protocol import Outcome, Role

HERE = Path(__file__).parent
RECORDINGS = {  # file -> objective; the last one is what no choice was made on
    "npu-emulated.jsonl.gz": "latency",
    "batches.jsonl.gz": "throughput",
    "cpu.jsonl.gz": "latency",
}
TRIALS = 40
GAINS = (0.02, 0.05, 0.10)
FAR_BEHIND = 0.5
Answer = Callable[[Configuration], tuple[Configuration, float]]


class Replays:
    """One recording, and the studies that are made of it."""

    def __init__(self, path: Path, objective: str) -> None:
        found: Recording = recording.read(path)
        assert found.study is not None
        self.record, self.objective = found.study, OBJECTIVES[objective]
        self.world: World = world(found.study, found.runs, objective)
        self.runs = found.runs
        stored = study_options.from_dict(found.study.setup)
        self.asked: Setup = replace(
            stored,
            trials=min(TRIALS, len(self.world.parts)),
            objective=objective,
            confirm=study_options.AUTO,
            baseline_runs=BASELINE_RUNS,
        )
        self.configurations = [dict(key) for key in self.world.parts]

    def study(
        self,
        seed: int,
        noise: float,
        instead: Answer | None = None,
        sampler: Sampler | None = None,
    ) -> Summary:
        """A whole study, in turns where it was recorded so."""
        source = Replay(self.world, seed, noise, instead)
        asked = replace(self.asked, seed=seed)
        return replayed(self.record, self.world, source, asked, sampler)

    def regret(self, chosen: Configuration) -> float:
        """How much dearer than the best: 0.01 is 1 %."""
        best = min(self.world.truth(one) for one in self.compared())
        return math.expm1(self.world.truth(chosen) - best)

    def compared(self) -> list[Configuration]:
        """What a study chooses from: under latency, the default batch size."""
        if self.objective.name == "throughput":
            return self.configurations
        default = self.world.space.default_batch()
        return [one for one in self.configurations if one.get(BATCH_SIZE) == default]


def a_a(replays: Replays, noise: float, seed: int) -> str:
    """The verdict where every configuration is the baseline."""
    base = replays.world.space.baseline
    return judge(replays.study(seed, noise, lambda one: (base(_batch(one)), 0.0))).verdict


def _batch(one: Configuration) -> int | None:
    size = one.get(BATCH_SIZE)
    return None if size is None else int(size)


def planted(replays: Replays, gain: float, noise: float, seed: int) -> bool:
    """Is it found, where one value of one knob is worth `gain` and nothing else anything?"""
    space = replays.world.space
    seen = {(n, v) for one in replays.configurations for n, v in space.changed(one).items()}
    name, value = random.Random(seed).choice(sorted(seen, key=str))

    def answer(one: Configuration) -> tuple[Configuration, float]:
        return space.baseline(_batch(one)), -math.log1p(gain) if one[name] == value else 0.0

    judged = judge(replays.study(seed, noise, answer))
    return judged.verdict == "faster" and judged.best.configuration[name] == value


@dataclass(frozen=True)
class Promise:
    """What one study says, beside the truth. runs: all of them; choosing: to choose the winner."""

    verdict: str
    promised: float  # log
    true: float  # log
    covered: bool
    regret: float
    runs: int
    choosing: int


def promise(replays: Replays, noise: float, seed: int, sampler: Sampler | None = None) -> Promise:
    """A whole study, judged. sampler: TPE where it is None."""
    summary = replays.study(seed, noise, sampler=sampler)
    judged: Judgement = judge(summary)
    best, base = judged.best.configuration, judged.baseline.configuration
    true = replays.world.log_speedup(best, base, noise)
    interval = judged.comparison.interval
    assert interval is not None
    won = judged.verdict == "faster"
    roles = [r.run.spec.role for r in summary.confirmation_runs]
    return Promise(
        verdict=judged.verdict,
        promised=math.log(judged.comparison.speedup),
        true=true,
        # The interval is rounded to 4 decimals.
        covered=interval.low - 1e-4 <= math.exp(true) <= interval.high + 1e-4,
        regret=replays.regret(best if won else replays.world.space.baseline()),
        runs=sum(len(one.runs) for one in summary.measured) + len(roles),
        choosing=roles.count(Role.CONFIRM),
    )


def believing(replays: Replays, noise: float, how: str, job: tuple[int, int]) -> float:
    """The regret of the best single run of: random search, an Optuna loop, or every one once.

    job: (seed, number of runs).
    """
    seed, runs = job
    launch, rng, space = Replay(replays.world, seed, noise), random.Random(seed), replays.compared()
    if how == "Optuna":
        return replays.regret(_optuna_loop(replays, launch, runs, seed))
    asked = rng.sample(space, len(space))
    if how == "random":
        asked = [rng.choice(space) for _ in range(runs)]
    costs = [(_cost(replays, launch, one), number) for number, one in enumerate(asked)]
    return replays.regret(asked[min(costs)[1]])


def _cost(replays: Replays, launch: Replay, one: Configuration) -> float:
    measured = launch.draw(one).result.measurement
    value = replays.objective
    return math.inf if measured is None else value.log_cost(value.of(measured))


def _optuna_loop(replays: Replays, launch: Replay, runs: int, seed: int) -> Configuration:
    """Every trial one run, told as it is; the study's best trial is believed."""
    space, minimize = only_recorded(replays.world), OBJECTIVES["latency"]
    search = Search(MemoryStore(), "plain", space, minimize, seed)
    base = space.baseline()
    pinned = {} if replays.objective.name == "throughput" else {BATCH_SIZE: base[BATCH_SIZE]}
    search.enqueue(base)
    best, chosen, done = math.inf, base, 0
    while done < runs:
        if pinned and done and not search.has_waiting():
            search.enqueue(pinned)
        proposal = search.ask()
        if space.broken_rule(proposal.configuration):
            search.refuse(proposal.number)
            continue
        cost = _cost(replays, launch, {**proposal.configuration, WARMUP: base[WARMUP]})
        search.tell(proposal.number, Outcome.OK if math.isfinite(cost) else Outcome.CRASHED, cost)
        done += 1
        if cost < best:
            best, chosen = cost, proposal.configuration
    return chosen


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest-rank quantile."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def title(name: str, replays: Replays, noise: float) -> Iterator[str]:
    """What is replayed: the space, its scatter, how far apart the best are."""
    levels = sorted(replays.world.truth(one) for one in replays.compared())
    base = replays.world.truth(replays.world.space.baseline())
    rests = [part.rest for parts in replays.world.parts.values() for part in parts]
    scatter, drift = quantile([abs(r) for r in rests], 0.68), statistics.pstdev(replays.world.drift)
    if replays.record.facts.fingerprint.get("emulated_cann"):
        name += " (emulated CANN)"
    yield (
        f"{name}, {replays.objective.name}, {len(levels)} configurations, "
        f"{len(replays.runs)} runs, noise x {noise:g}: "
        f"scatter of a run {noise * scatter:.1%}, drift {noise * drift:.1%}"
    )
    runs = statistics.fmean(len(parts) for parts in replays.world.parts.values())
    yield (
        f"  best {math.exp(base - levels[0]):.2f}x the baseline; behind it the second "
        f"{math.expm1(levels[1] - levels[0]):.1%}, the tenth "
        f"{math.expm1(levels[min(9, len(levels) - 1)] - levels[0]):.1%}; these levels are known to "
        f"about {1.25 * scatter / math.sqrt(runs):.1%}"
    )


def report(name: str, replays: Replays, noise: float, options: argparse.Namespace) -> Iterator[str]:
    """The lines of one recording at one noise."""
    yield from title(name, replays, noise)
    with multiprocessing.Pool(options.processes) as pool:
        verdicts = pool.map(partial(a_a, replays, noise), range(options.a_a))
        wrong = sum(v not in ("same", "unclear") for v in verdicts)
        share = wrong / options.a_a
        yield f"  A/A: {wrong} of {options.a_a} neither same nor unclear ({share:.1%})"
        found = pool.map(partial(promise, replays, noise), range(options.studies))
        yield from promises(found)
        jobs = [(seed, one.runs) for seed, one in enumerate(found)]
        regrets = {"npu-tune": [one.regret for one in found]}
        for how in ("Optuna", "random", "exhaustive"):
            regrets[how] = pool.map(partial(believing, replays, noise, how), jobs)
        for how, values in regrets.items():
            yield (
                f"  regret, {how}: median {median(values):.1%}, 90th percentile "
                f"{quantile(values, 0.9):.1%}, mean {statistics.fmean(values):.1%}"
            )
        for gain in GAINS:
            hits = pool.map(partial(planted, replays, gain, noise), range(options.studies))
            yield f"  power: a true gain of {gain:.0%} is found in {statistics.fmean(hits):.0%}"


def promises(found: Sequence[Promise]) -> Iterator[str]:
    """Promised against true, of all studies and of those that say faster; the runs."""
    won = [one for one in found if one.verdict == "faster"]
    for name, some in (("", found), (" where faster", won)):
        ratios = [math.expm1(one.promised - one.true) for one in some]
        if ratios:
            yield (
                f"  promised over true{name}: mean {statistics.fmean(ratios):+.2%} (standard error "
                f"{statistics.pstdev(ratios) / math.sqrt(len(ratios)):.2%}), median "
                f"{median(ratios):+.2%}, sd {statistics.pstdev(ratios):.2%}; the interval covers "
                f"the truth in {statistics.fmean(one.covered for one in some):.1%} of {len(some)}"
            )
    kept = sum(one.verdict != "faster" and one.regret > FAR_BEHIND for one in found)
    yield f"  keep defaults that are more than {FAR_BEHIND:.0%} slower than the best: {kept}"
    choosing, runs = [one.choosing for one in found], [one.runs for one in found]
    yield (
        f"  runs: {min(choosing)} to {max(choosing)} to choose the winner, "
        f"{statistics.fmean(runs):.0f} in all"
    )


def main() -> None:
    """Read the recordings and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--objective", default="latency", help="for recordings that are named")
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--a-a", type=int, default=500)
    parser.add_argument("--noise", type=float, action="append")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    options = parser.parse_args()
    chosen = [(path, options.objective) for path in options.recordings]
    chosen = chosen or [(HERE / "recordings" / name, how) for name, how in RECORDINGS.items()]
    for path, objective in chosen:
        replays = Replays(path, objective)
        for noise in options.noise or (1.0, 0.5, 2.0):
            for line in report(path.name.partition(".")[0], replays, noise, options):
                print(line, flush=True)


if __name__ == "__main__":
    main()
