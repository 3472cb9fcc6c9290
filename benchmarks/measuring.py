"""A study whose runs a benchmark asks for one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from tuner.options import Setup
from tuner.runs.records import RecordedRun
from tuner.runs.store import Store
from tuner.space.model import Configuration
from tuner.study import session
from tuner.study.runner import Caller, Runner
from tuner.worker.protocol import Role


class Lines:
    """An observer: one line a run."""

    def run_started(
        self, done: int, total: int, role: Role, configurations: Sequence[Configuration]
    ) -> None:
        """Nothing: the line comes when the run has ended."""

    def heat_at(self, number: int, phase: str, turn: int) -> None:
        """Nothing."""

    def run_ended(self, recorded: RecordedRun) -> None:
        """What came of it."""
        seconds = f"{recorded.run.wall_ns / 1e9:.1f} s"
        print(recorded.block, recorded.outcome.value, seconds, recorded.configuration, flush=True)


@contextlib.contextmanager
def measuring(setup: Setup, store: Store, name: str) -> Iterator[Runner]:
    """Makes the runs of the study of this name, begun or taken up again; holds the device."""
    caller = Caller(Lines(), on_wait=print)
    with session.opened(setup, store, name, caller, store.study(name)) as runner:
        yield runner
