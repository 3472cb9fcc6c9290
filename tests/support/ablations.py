"""Whole ablations of a won study with planted effects."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.runs import SPACE, NextRun, confirmed, recorded
from tuner.evidence.summary import Summary
from tuner.options import Setup
from tuner.space.model import Configuration
from tuner.worker.protocol import Role

ASKED = Setup("m", trials=10, ablate=True)
SEARCHED = [recorded(0, 10), recorded(1, 4, mode="fast", spin="on", threads=1)]
NOISE = (1.0, 1.002, 0.998, 1.001, 0.999, 1.003)  # from block to block, of all that but the winner


def ms(knobs: Configuration) -> float:
    """mode=fast halves the time, threads=1 costs a tenth, spin=on does nothing."""
    return 10.0 / (2.0 if "mode" in knobs else 1.0) * (1.1 if "threads" in knobs else 1.0)


def planted(of: Callable[[Configuration], float]) -> Callable[[NextRun], float]:
    """A run's ms by the knobs that it changes, with some noise."""

    def answer(step: NextRun) -> float:
        changed = SPACE.changed(step.configuration)
        return of(changed) * (1.0 if len(changed) == 3 else NOISE[step.block % 6])

    return answer


def ablated(of: Callable[[Configuration], float]) -> tuple[list[NextRun], Summary]:
    """The runs of such an ablation, and the summary of its study."""
    steps, summary = confirmed(SEARCHED, planted(of), asked=ASKED)
    return [step for step in steps if step.role == Role.ABLATION], summary
