"""A study whose runs a benchmark asks for one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from tuner import options
from tuner.options import Setup
from tuner.runs import lease
from tuner.runs.device import measured_on
from tuner.runs.folder import work_folder
from tuner.runs.records import RecordedRun, StudyRecord
from tuner.runs.store import Store
from tuner.space import model
from tuner.space.model import Configuration
from tuner.study.probe import located, make_launcher, probe
from tuner.study.runner import Runner
from tuner.worker.protocol import Role


class Lines:
    """An observer: one line a run."""

    def run_started(self, done: int, total: int, role: Role, configuration: Configuration) -> None:
        """Nothing: the line comes when the run has ended."""

    def run_ended(self, recorded: RecordedRun) -> None:
        """What came of it."""
        run = recorded.run
        told = run.spec.block, run.result.outcome.value, f"{run.wall_ns / 1e9:.1f} s"
        print(*told, recorded.configuration, flush=True)


@contextlib.contextmanager
def measuring(asked: Setup, store: Store, name: str) -> Iterator[Runner]:
    """Makes the runs of the study of this name, begun or taken up again; holds the device."""
    with (
        work_folder(Path("results"), name) as folder,
        lease.holding(name, print, lambda: False) as hold,
    ):
        launcher = make_launcher(asked, folder)
        (lock,) = hold([located(asked, launcher)])
        space, facts = probe(asked, replace(launcher, lease=lock), folder)
        (lock,) = hold([measured_on(facts["backend"], facts["fingerprint"]).name])
        record = store.study(name)
        if record is None:
            begun, stored = datetime.now(timezone.utc), options.to_dict(asked)
            frozen = model.to_dict(space)
            record = StudyRecord(name, begun, None, stored, frozen, facts, None)
            store.create_study(record)
        space = model.from_dict(record.space)
        launch = replace(launcher, lease=lock).run
        yield Runner(record, asked, space, store, launch, Lines(), lambda: False, folder)
