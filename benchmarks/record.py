"""Measure every configuration of a space several times, in heats, into one compact file.

    python benchmarks/record.py -o benchmarks/recordings/NAME.jsonl.gz --model MODEL
        [--space FILE] [--set KNOB=VALUE] [--backend cpu] [--rounds 6] [--share 1.0] [--heat 5]

Every round measures every configuration once, in a new random order, in heats of one batch size
beside a companion: as the search of a study does. It ends with a heat of the baseline alone,
because everything is compared with that. What is measured goes into a database beside the file at
once: the same command goes on where it was interrupted, another day if need be. A configuration
that fails is tried once more in the next round, then left out.

`--share 0.5` takes a random half of the configurations, the same half each time.
"""

from __future__ import annotations

import argparse
import random
import signal
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from measuring import measuring

from tuner import parse
from tuner.evidence.meanings import Meanings, meanings
from tuner.options import Setup
from tuner.policy import BATCH_SIZE
from tuner.runs import recording
from tuner.runs.recording import Recording
from tuner.runs.store import Store
from tuner.space.model import Configuration, SearchSpace
from tuner.study.heats import Entry, company, make
from tuner.study.runner import Runner
from tuner.worker.protocol import Role

TRIES = 2
BASELINES = 1000  # and the round: the block of a heat of the baseline alone


def configurations(space: SearchSpace, meant: Meanings, share: float) -> list[Configuration]:
    """Every configuration once, warm-up aside; the baselines, one for each batch size, first."""
    seen: dict[tuple[object, ...], Configuration] = {}
    for one in space.configurations(None):
        if not space.broken_once_resolved(one, meant.unset):
            identity = meant.identity(space, one)
            seen.setdefault(tuple(identity.values()), {**space.baseline(), **identity})
    bases = [one for one in seen.values() if space.is_baseline(one)]
    others = [one for one in seen.values() if not space.is_baseline(one)]
    random.Random("share").shuffle(others)
    return bases + others[: round(share * len(others))]


def planned(
    chosen: Sequence[Configuration], rounds: int, size: int
) -> Iterator[tuple[int, list[int]]]:
    """(round, numbers of the configurations) of every heat, in order."""
    batches = sorted({configuration.get(BATCH_SIZE, 0) for configuration in chosen}, key=str)
    for number in range(rounds):
        chance, heats = random.Random(f"round {number}"), []
        for batch in batches:
            here = [n for n, one in enumerate(chosen) if one.get(BATCH_SIZE, 0) == batch]
            chance.shuffle(here)
            count = -(-len(here) // size)
            bounds = [place * len(here) // count for place in range(count + 1)]
            heats += [here[begin:end] for begin, end in pairwise(bounds)]
        chance.shuffle(heats)
        yield from ((number, heat) for heat in heats)
        yield BASELINES + number, [0] * size


def measure(runner: Runner, rounds: int, share: float, size: int) -> None:
    """Every planned run that is not recorded yet."""
    space = runner.space
    earlier = len(runner.runs)
    if not runner.runs:
        _alone(runner, 0, space.baseline())
    runner.keep_heat_size(size)
    chosen = configurations(space, meanings(space, runner.runs), share)
    print(f"{len(chosen)} configurations, {rounds} rounds, {earlier} runs are there", flush=True)
    for number, one in enumerate(chosen):
        if space.is_baseline(one) and not runner.reference_path(one).exists():
            _alone(runner, number, one)
    there = {(r.block, r.trial) for r in runner.runs if r.run.spec.heat}
    with company(runner) as beside:
        for block, numbers in planned(chosen, rounds, size - 1):
            wanted = [n for n in numbers if (block, n) not in there and failures(runner, n) < TRIES]
            if wanted:
                make([_entry(runner, n, chosen[n], block) for n in wanted], beside)


def failures(runner: Runner, trial: int) -> int:
    """How often a configuration has failed in a heat."""
    return sum(r.trial == trial and r.run.spec.heat > 0 and not r.ok for r in runner.runs)


def _entry(runner: Runner, trial: int, configuration: Configuration, block: int) -> Entry:
    role = Role.BASELINE if runner.space.is_baseline(configuration) else Role.SEARCH
    return Entry(runner, trial, configuration, role, block)


def _alone(runner: Runner, trial: int, baseline: Configuration) -> None:
    """The first run of a baseline makes the reference output."""
    runner.run_once(baseline, _entry(runner, trial, baseline, 0).spec())


def main() -> None:
    """Measure, and write the file, also when interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--space", default="")
    parser.add_argument("--set", dest="pins", action="append", default=[])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--heat", type=int, default=5)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    setup = Setup(
        model=options.model,
        backend=options.backend,
        space=options.space,
        pins=dict(map(parse.pin, options.pins)),
        confirm="off",
        heat=str(options.heat),
        folder=str(Path.cwd()),
    ).validated()
    name = options.output.name.partition(".")[0]
    store = Store(f"sqlite:///results/{name}.db")
    with measuring(setup, store, name) as runner:
        try:
            measure(runner, options.rounds, options.share, options.heat)
        except KeyboardInterrupt:
            print("stopped; the same command goes on")
            raise SystemExit(130) from None
        finally:
            notes = {"rounds": options.rounds, "share": options.share}
            runs = tuple(store.runs(name))
            recording.write(Recording(runner.record, runs, notes), options.output)


if __name__ == "__main__":
    main()
