"""Is anything left, lost or counted twice when a study is killed, interrupted or suspended?

    python benchmarks/kills.py [--times 20] [--prefix] [--only WORD]
    python benchmarks/kills.py --torch [--model tiny] [--times 5] [--prefix] [--only WORD]

So many studies, to each of which everything of tests/support/interruptions.py happens, one after
the other, in an order that changes from study to study; after each the study goes on or is resumed,
in every other study at once, and at its end its store is looked through. Without --torch a
pretended interpreter measures. With it a model of a few operators does, and controllers are killed
alone; --model loader: one with two forked workers of a DataLoader alive; inductor: the same with
candidates that torch.compile makes. --prefix: behind a stand-in for `docker exec -i`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.support import DATA, pretend  # noqa: E402
from tests.support.interruptions import (  # noqa: E402
    DEADLINE_S,
    INTERRUPTIONS,
    KILLED,
    Aftermath,
    Interruption,
    finish,
    interrupt,
)
from tests.support.killing import Study  # noqa: E402

PRETENDED_TRIALS, TORCH_TRIALS = 14, 3
MODELS = {"tiny": ("convnet", "torchscript"), "loader": ("with_loader", "torchscript")}
MODELS["inductor"] = ("convnet", "inductor")


@dataclass
class Row:
    """What came of one interruption so far."""

    times: int = 0
    at_once: int = 0
    gone_s: list[float] = field(default_factory=list)
    free_s: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, aftermath: Aftermath, looks: bool) -> None:
        """One more time."""
        self.times += 1
        self.at_once += not looks
        if looks and aftermath.gone_s is not None:
            self.gone_s.append(aftermath.gone_s)
        if looks and aftermath.free_s is not None:
            self.free_s.append(aftermath.free_s)
        self.faults += aftermath.faults


def options_of(options: argparse.Namespace, folder: Path) -> tuple[list[str], int]:
    """Of the study, and how many trials it has."""
    prefix = ["--launch-prefix", str(DATA / "prefix.sh")] if options.prefix else []
    common = ["--heat", "5" if options.torch else "3", "--confirm", "off", *prefix]
    if not options.torch:
        table = pretend.interpreter(folder, prepare_s=0.2, turn_s=0.02, part_s=0.1)
        more = ["--model", "m.py:make", "--timeout", str(DEADLINE_S), *table]
        return [*common, "--trials", str(PRETENDED_TRIALS), *more], PRETENDED_TRIALS
    model, execution = MODELS[options.model]
    reference = f"{DATA / 'models' / 'tiny.py'}:{model}"
    more = ["--model", reference, "--backend", "cpu", "--set", f"execution={execution}"]
    more += ["--python", sys.executable, "--trials", str(TORCH_TRIALS)]
    return [*common, *more], TORCH_TRIALS


def play(
    options: argparse.Namespace, turn: int, chosen: Sequence[Interruption], rows: dict[str, Row]
) -> list[str]:
    """One study; what is wrong at its end."""
    place = turn % len(chosen)
    looks = turn % 2 == 0
    with tempfile.TemporaryDirectory() as name:
        words, trials = options_of(options, Path(name))
        study, before = Study(Path(name), words), []
        study.begin()
        for interruption in (*chosen[place:], *chosen[:place]):
            if not study.runs_now:
                study.resume()
            try:
                aftermath = interrupt(study, interruption, turn, looks)
            except AssertionError as error:
                return [f"{interruption.name}: {error}"]
            rows[interruption.name].add(aftermath, looks)
            before = aftermath.before
            print(turn, interruption.name, aftermath.gone_s, aftermath.faults, flush=True)
        return finish(study, trials, before)


def main() -> None:
    """Studies, then the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--torch", action="store_true")
    parser.add_argument("--model", choices=MODELS, default="tiny")
    parser.add_argument("--prefix", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    every = KILLED if options.torch else INTERRUPTIONS
    chosen = [i for i in every if options.only in i.name]
    rows: dict[str, Row] = defaultdict(Row)
    ends: list[str] = []
    for turn in range(options.times):
        faults = play(options, turn, chosen, rows)
        ends += faults
        print(turn, "ended", faults, flush=True)
    print(f"{'':32} times  at once  gone within  free within  faults")
    for interruption in chosen:
        row = rows[interruption.name]
        gone, free = (f"{max(times, default=0.0):.2f} s" for times in (row.gone_s, row.free_s))
        print(
            f"{interruption.name:32} {row.times:5}  {row.at_once:7}  {gone:>11}  {free:>11}  "
            f"{len(row.faults)}"
        )
    print(f"studies: {options.times}; lost, doubled or open at their end: {ends or 'nothing'}")


if __name__ == "__main__":
    main()
