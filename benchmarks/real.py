"""The promises of trust.py once more, without replay: everything is measured now, on this machine.

    python benchmarks/real.py a-a [--confirmations 20] [--model MODEL]
    python benchmarks/real.py twice [--model MODEL] [--trials 40]

a-a: so many hold-outs of the baseline against itself under another name (a knob that does nothing).
Prints each verdict and how many are neither same nor unclear. Whole studies of such knobs, with the
choosing before: false_claims.py.

twice: two independent studies of one model, of different seeds, then their winners against each
other in 8 pairs of fresh runs, made anew each time. What else was measured is kept: both go on
where they were interrupted.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from measuring import measuring

from tuner import options as study_options
from tuner.evidence.conclude import conclude
from tuner.evidence.intervals import interval_of, verdict
from tuner.evidence.pairs import Pair, log_speedups, next_step
from tuner.evidence.stats import median
from tuner.evidence.verdict import judge
from tuner.options import Setup
from tuner.runs.store import Store
from tuner.space.model import Configuration
from tuner.study import stored
from tuner.study.heats import Entry
from tuner.study.runner import Runner
from tuner.study.together import entries_of, measure_together
from tuner.worker.protocol import Role

STORAGE = "sqlite:///results/real.db"
PAIRS = 8


def pair(runner: Runner, sides: tuple[Configuration, Configuration], number: int) -> Pair:
    """A fresh run of either side, the first first in every other pair."""
    order = (0, 1) if number % 2 == 0 else (1, 0)
    entries = [Entry(runner, side, sides[side], Role.HOLD_OUT, number) for side in order]
    records = measure_together(entries, 2 * number, 2 * PAIRS)
    return records[order[0]], records[order[1]]


def a_a(options: argparse.Namespace) -> None:
    """Confirmations of what is the same."""
    setup = Setup(
        model=options.model,
        backend="cpu",
        space=str(Path(__file__).parent / "inert.yaml"),
        folder=str(Path.cwd()),
    ).validated()
    wrong, store = 0, Store(STORAGE)
    for number in range(options.confirmations):
        with measuring(setup, store, f"a-a-{number}") as runner:
            base = runner.space.baseline()
            knob = next(k for k in runner.space.knobs if len(k.domain) > 1 and k.default == "unset")
            twin = {**base, knob.name: knob.domain[1]}
            for trial, side in ((0, base), (1, twin)):
                role = Role.SEARCH if trial else Role.BASELINE
                if len(runner.runs) <= trial:
                    runner.run_once(side, runner.trial_spec(trial, side, role))
            identity = runner.summary().identity(twin)
            while step := next_step(runner.summary(), identity):
                measure_together(entries_of(runner, step), step.done, step.total)
        judged = judge(runner.summary())
        interval = judged.comparison.interval
        assert interval is not None
        wrong += judged.verdict not in ("same", "unclear")
        shown = f"{interval.low:.3f}x to {interval.high:.3f}x"
        print(f"{number}: {judged.verdict}, {judged.comparison.pairs} pairs, {shown}", flush=True)
    print(f"A/A: {wrong} of {options.confirmations} neither same nor unclear")


def twice(options: argparse.Namespace) -> None:
    """Two studies, and their winners against each other."""
    store, winners = Store(STORAGE), []
    for seed in (1, 2):
        name = f"twice-{seed}"
        command = [sys.executable, "-c", "from tuner.cli.main import main; main()", "--study", name]
        command += ["--storage", STORAGE]
        if store.study(name) is None:
            command += ["--model", options.model, "--backend", "cpu", "--seed", str(seed)]
            command += ["--trials", str(options.trials)]
        else:
            command += ["--resume"]
        subprocess.run(command, check=True)
        result = conclude(stored.load(store, name))
        print(f"{name}: {result.verdict} {result.evidence.speedup:.3f}x {result.configuration}")
        winners.append(result.evidence.tried if result.recommendation == "apply" else {})
    setup = replace(
        study_options.from_dict(stored.load(store, "twice-1").study.setup), confirm=str(PAIRS)
    )
    with measuring(setup, store, "twice-pairs") as runner:
        base = runner.space.baseline()
        if not runner.runs:
            runner.run_once(base, runner.trial_spec(0, base, Role.BASELINE))
        sides = ({**base, **winners[0]}, {**base, **winners[1]})
        pairs = [pair(runner, sides, number) for number in range(PAIRS)]
        logs = log_speedups(runner.summary(), pairs)
    interval = interval_of(logs)
    assert interval is not None
    answer, ratio = verdict(interval.low, interval.high), math.exp(median(logs))
    shown = f"{ratio:.3f}x ({interval.low:.3f}x to {interval.high:.3f}x)"
    print(f"winner of seed 1 against winner of seed 2, {PAIRS} pairs: {answer}, {shown}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    commands = parser.add_subparsers(required=True)
    for name, does in (("a-a", a_a), ("twice", twice)):
        command = commands.add_parser(name)
        command.set_defaults(does=does)
        command.add_argument("--model", default="mobilenet_v2")
        command.add_argument("--confirmations", type=int, default=20)
        command.add_argument("--trials", type=int, default=40)
    options = parser.parse_args()
    options.does(options)


if __name__ == "__main__":
    main()
