"""Measure every configuration of a space several times, interleaved, into one compact file.

    python benchmarks/record.py -o benchmarks/recordings/NAME.jsonl.gz --model MODEL
        [--space FILE] [--set KNOB=VALUE] [--backend cpu] [--runs 6] [--share 1.0]

Every round measures every configuration once, in a new random order, and the baseline after every
tenth run besides, so that the drift of the host is in the record. What is measured goes into a
database beside the file at once: the same command goes on where it was interrupted, another day if
need be. A configuration that fails is tried once more in the next round, then left out.

`--share 0.5` takes a random half of the configurations, the same half each time.
"""

from __future__ import annotations

import argparse
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from measuring import measuring

from tuner import parse
from tuner.evidence.summary import identify, resolve_unset
from tuner.options import Setup
from tuner.runs import recording
from tuner.runs.recording import Recording
from tuner.runs.store import Store
from tuner.space.model import Configuration, SearchSpace
from tuner.study.runner import Runner
from tuner.worker.protocol import Role

SENTINEL_EVERY = 10
TRIES = 2


def configurations(
    space: SearchSpace, resolved: Configuration, share: float
) -> list[Configuration]:
    """Every configuration once, warm-up aside; the baselines, one for each batch size, first."""
    seen: dict[tuple[object, ...], Configuration] = {}
    for one in space.configurations(None):
        if not space.broken_once_resolved(one, resolved):
            identity = identify(space, one, resolved)
            seen.setdefault(tuple(identity.values()), {**space.baseline(), **identity})
    bases = [one for one in seen.values() if space.is_baseline(one)]
    others = [one for one in seen.values() if not space.is_baseline(one)]
    random.Random("share").shuffle(others)
    return bases + others[: round(share * len(others))]


def planned(
    chosen: list[Configuration], base: Configuration, rounds: int
) -> Iterator[tuple[int, int, Configuration]]:
    """(round, number of the configuration, configuration) of every run, in order."""
    run = 0
    for number in range(rounds):
        order = list(range(len(chosen)))
        if number:  # the first round begins with the baselines: they make the reference outputs
            random.Random(f"round {number}").shuffle(order)
        for one in order:
            yield number, one, chosen[one]
            run += 1
            if run % SENTINEL_EVERY == 0:
                yield number, 0, base


def measure(runner: Runner, rounds: int, share: float) -> None:
    """Every planned run that is not recorded yet."""
    space = runner.space
    earlier = len(runner.runs)
    base = space.baseline()
    if not runner.runs:
        _measure(runner, 0, 0, base)
    chosen = configurations(space, resolve_unset(space, runner.runs), share)
    print(f"{len(chosen)} configurations, {rounds} rounds, {earlier} runs are there")
    if earlier:
        for number, one in enumerate(chosen):  # the reference outputs may be gone
            if space.is_baseline(one) and not runner.reference_path(one).exists():
                runner.launch(runner.trial_spec(number, one, Role.BASELINE))
    there = Counter((r.block, r.trial) for r in runner.runs)
    for block, trial, one in planned(chosen, base, rounds):
        failures = [r for r in runner.runs if r.trial == trial and not r.ok]
        if there[block, trial]:
            there[block, trial] -= 1
        elif len(failures) < TRIES:
            _measure(runner, block, trial, one)


def _measure(runner: Runner, block: int, trial: int, one: Configuration) -> None:
    role = Role.BASELINE if runner.space.is_baseline(one) else Role.SEARCH
    runner.run_once(one, runner.trial_spec(trial, one, role, block))


def main() -> None:
    """Measure, and write the file, also when interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--space", default="")
    parser.add_argument("--set", dest="pins", action="append", default=[])
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--share", type=float, default=1.0)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    setup = Setup(
        model=options.model,
        backend=options.backend,
        space=options.space,
        pins=dict(map(parse.pin, options.pins)),
        confirm="off",
        folder=str(Path.cwd()),
    ).validated()
    name = options.output.name.partition(".")[0]
    store = Store(f"sqlite:///results/{name}.db")
    with measuring(setup, store, name) as runner:
        try:
            measure(runner, options.runs, options.share)
        except KeyboardInterrupt:
            print("stopped; the same command goes on")
            raise SystemExit(130) from None
        finally:
            notes = {"rounds": options.runs, "share": options.share}
            runs = tuple(store.runs(name))
            recording.write(Recording(runner.record, runs, notes), options.output)


if __name__ == "__main__":
    main()
