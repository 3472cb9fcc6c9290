"""A recorded run once more, outside the record."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from . import lease, search_space, session, setup
from .errors import StudyConflictError
from .launcher import Launcher
from .objectives import latency
from .probing import make_launcher, probe_spec, require_ok
from .records import RecordedRun, StudyRecord
from .store import Store
from .work_folder import make_folder
from .worker import protocol
from .worker.protocol import ProbeRequest, Role, TrialResult, TrialSpec


def runs_of(store: Store, name: str, trial: int) -> list[RecordedRun]:
    """The runs of one trial, the last of its own configuration at the end.

    Raises StudyConflictError when there are none.
    """
    runs = store.runs(name)
    found = [recorded for recorded in runs if recorded.trial == trial]
    if not found:
        known = sorted({recorded.trial for recorded in runs})
        raise StudyConflictError(
            f"study {name!r} has no recorded trial {trial}; it has {_ranges(known)}"
        )
    # A winner without one of its knobs is measured under the winner's trial.
    return sorted(found, key=lambda recorded: recorded.run.spec.role != Role.ABLATION)


@contextlib.contextmanager
def prepared(
    record: StudyRecord,
    recorded: RecordedRun,
    on_wait: Callable[[str], None] | None,
    python: str = "",
) -> Iterator[tuple[Launcher, TrialSpec]]:
    """A recorded run made ready to be repeated, with another `python` if asked; holds the device.

    The shared weights are made anew, in the launcher's folder, which is removed at the end.
    on_wait: is told when a study holds the device; None: fail instead of waiting.
    """
    device = lease.device_name(recorded.run.spec.backend, record.setup["device"], os.environ)
    with (
        run_folder(record.setup.get("launch_prefix", "")) as folder,
        lease.held(device, record.name, on_wait, lambda: False) as lock,
    ):
        launcher = ready(record, folder, lock, python)
        weights, reference = str(folder / "weights.pt"), str(folder / "reference.pt")
        yield launcher, replace(recorded.run.spec, weights_path=weights, reference_path=reference)


@contextlib.contextmanager
def run_folder(launch_prefix: str) -> Iterator[Path]:
    """A folder for fresh runs. What is behind a prefix sees the current folder only."""
    shared = Path("results").resolve() if launch_prefix else None
    if shared:
        make_folder(shared)
    with tempfile.TemporaryDirectory(
        prefix="npu-tune-", dir=shared, ignore_cleanup_errors=True
    ) as made:
        yield Path(made)


def ready(record: StudyRecord, folder: Path, lock: int, python: str = "") -> Launcher:
    """What launches a study's runs once more; the shared weights are made anew in the folder."""
    asked = setup.from_dict(record.setup)
    launcher = make_launcher(asked, folder, python, lock)
    require_ok(launcher.run(probe_spec(asked, folder, ProbeRequest())))
    return launcher


def rerun(
    store: Store,
    name: str,
    trial: int,
    echo: Callable[[str], None],
    on_wait: Callable[[str], None] | None = None,
) -> int:
    """Repeat a trial's last run with its log on the terminal; the worker's exit code.

    The reference is made anew, too. on_wait: as in `prepared`.
    """
    record = session.load(store, name).study
    recorded = runs_of(store, name, trial)[-1]
    with prepared(record, recorded, on_wait) as (launcher, spec):
        folder = launcher.folder
        if spec.role != Role.BASELINE:
            space = search_space.from_dict(record.space)
            knobs = space.settings(space.baseline(spec.batch_size))
            launcher.run(replace(spec, role=Role.BASELINE, knobs=knobs))
        protocol.write(spec, str(folder / protocol.SPEC_FILE))
        command = launcher.command(spec, folder)
        echo(shlex.join(command))
        code = launcher.foreground(command, spec.deadline_s)
        with contextlib.suppress(OSError, ValueError):
            result = protocol.read(TrialResult, str(folder / protocol.RESULT_FILE))
            echo(f"outcome: {result.outcome.value} {result.message}".strip())
            if result.measurement is not None:
                echo(f"latency: {latency(result.measurement):.4g} ms")
        return code


def _ranges(numbers: list[int]) -> str:
    return "none" if not numbers else f"{len(numbers)}, from {numbers[0]} to {numbers[-1]}"
