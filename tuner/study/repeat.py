"""A recorded run once more, outside the record."""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .. import options
from ..errors import BaselineError, StudyConflictError, TunerError, UnfitEnvironmentError
from ..evidence.objectives import latency
from ..language import say
from ..runs import lease
from ..runs.device import measured_on
from ..runs.folder import EXPORTS, make_folder
from ..runs.launcher import Launcher
from ..runs.records import RecordedRun, StudyRecord
from ..runs.store import Store
from ..space import model, variables
from ..worker.protocol import Outcome, ProbeRequest, Role, TrialSpec
from . import stored
from .probe import located, make_launcher, probe_spec, require_ok
from .together import baseline_failure

NOWHERE_ELSE: Mapping[str, Any] = MappingProxyType({})


def runs_of_trial(store: Store, name: str, trial: int) -> list[RecordedRun]:
    """The runs of one trial, the last of its own configuration at the end.

    Raises StudyConflictError when there are none.
    """
    runs = store.runs(name)
    runs = [recorded for recorded in runs if recorded.role != Role.COMPANION]
    of_trial = [recorded for recorded in runs if recorded.trial == trial]
    if not of_trial:
        known = sorted({recorded.trial for recorded in runs})
        raise StudyConflictError(
            f"study {name!r} has no recorded trial {trial}; it has {_ranges(known)}"
        )
    # A winner without one of its knobs is measured under the winner's trial.
    return sorted(of_trial, key=lambda recorded: recorded.role != Role.ABLATION)


def elsewhere(record: StudyRecord, where: Mapping[str, Any]) -> StudyRecord:
    """The study's record, its workers somewhere else. where: what is not as the study has it.

    Raises UsageError for a value that the option cannot have.
    """
    values = options.values_of(where)
    options.Setup(record.setup["model"], **values).validated()
    return replace(record, setup={**record.setup, **values})


@dataclass(frozen=True)
class Repeated:
    """What became of a run that was made once more. command: what was started."""

    study: str
    trial: int
    command: tuple[str, ...]
    outcome: Outcome
    message: str
    latency_ms: float | None

    @property
    def exit_code(self) -> int:
        """0: it ran well; 1: the configuration failed; 4: the environment did."""
        if self.outcome == Outcome.ENVIRONMENT_ERROR:
            return UnfitEnvironmentError.exit_code
        return 0 if self.outcome == Outcome.OK else TunerError.exit_code

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, the exit code included."""
        return {"exit_code": self.exit_code, **asdict(self)}


@contextlib.contextmanager
def prepared(
    record: StudyRecord, recorded: RecordedRun, on_wait: Callable[[str], None] | None
) -> Iterator[tuple[Launcher, TrialSpec]]:
    """A recorded run made ready to be repeated, alone, where the study's workers run.

    It holds the device. The shared weights are made anew, in the launcher's folder, which is
    removed at the end.
    on_wait: is told when a study holds the device; None: fail instead of waiting.
    """
    with (
        run_folder(record.setup.get("launch_prefix", "")) as folder,
        lease.holding(record.name, on_wait, lambda: False) as hold,
    ):
        (launcher,) = ready([(record, folder)], hold)
        alone = replace(
            recorded.run.spec,
            device=record.setup.get("device"),
            heat=0,
            companion=0,
            weights_path=str(folder / "weights.pt"),
            inputs_path=str(folder / "inputs.pt"),
            exports_path=str(folder / EXPORTS),
            reference_path=str(folder / "outputs.pt"),
        )
        yield launcher, alone


@contextlib.contextmanager
def run_folder(launch_prefix: str) -> Iterator[Path]:
    """A folder for fresh runs. What is behind a prefix sees the current folder only."""
    shared = Path("results").resolve() if launch_prefix else None
    if shared:
        make_folder(shared)
    with tempfile.TemporaryDirectory(
        prefix="npu-tune-", dir=shared, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def ready(places: Sequence[tuple[StudyRecord, Path]], hold: lease.Hold) -> list[Launcher]:
    """What launches the runs of studies once more, each in its folder; each holds its device.

    The shared weights are made anew in the folders.
    """
    setups = [
        replace(options.from_dict(record.setup), backend=record.space["backend"])
        for record, _ in places
    ]
    launchers = [
        make_launcher(setup, folder) for setup, (_, folder) in zip(setups, places, strict=True)
    ]
    locks = hold([located(*place) for place in zip(setups, launchers, strict=True)])
    names = []
    for setup, launcher, lock in zip(setups, launchers, locks, strict=True):
        spec = probe_spec(setup, launcher.folder, ProbeRequest(variables=variables.rules()))
        run = replace(launcher, lease=lock).run(spec)
        require_ok(run)
        names.append(measured_on(setup.backend, run.result.fingerprint).name)
    locks = hold(names)
    return [replace(launcher, lease=lock) for launcher, lock in zip(launchers, locks, strict=True)]


def repeat_trial(
    store: Store,
    name: str,
    trial: int,
    echo: Callable[[str], None],
    on_wait: Callable[[str], None] | None = None,
    where: Mapping[str, Any] = NOWHERE_ELSE,
) -> Repeated:
    """Repeat a trial's last run with its log on the terminal.

    The reference is made anew, too. on_wait: as in `prepared`. where: as in `elsewhere`.

    Raises BaselineError where the baseline, which makes the reference, does not run.
    """
    record = elsewhere(stored.load(store, name).study, where)
    recorded = runs_of_trial(store, name, trial)[-1]
    with prepared(record, recorded, on_wait) as (launcher, spec):
        if spec.role != Role.BASELINE:
            _make_reference(record, launcher, spec)
        if recorded.run.spec.heat:
            echo(say("it was measured in turns with others; now it is alone, which may differ"))
        command = launcher.command(spec, launcher.folder)
        echo(shlex.join(command))
        result = launcher.foreground(spec)
        echo(f"{say('outcome')}: {result.outcome.value} {result.message}".strip())
        latency_ms = None
        if result.measurement is not None:
            latency_ms = latency(result.measurement)
            echo(f"{say('latency')}: {latency_ms:.4g} ms")
        return Repeated(name, trial, tuple(command), result.outcome, result.message, latency_ms)


def _make_reference(record: StudyRecord, launcher: Launcher, spec: TrialSpec) -> None:
    """Run the baseline, which leaves the output that the run's own is compared with."""
    space = model.from_dict(record.space)
    knobs = space.settings(space.baseline(spec.batch_size))
    run = launcher.run(replace(spec, role=Role.BASELINE, knobs=knobs))
    if run.result.outcome == Outcome.ENVIRONMENT_ERROR:
        raise UnfitEnvironmentError(run.result.message)
    if run.result.outcome != Outcome.OK:
        raise BaselineError(baseline_failure(record, 0, run))


def _ranges(numbers: list[int]) -> str:
    return "none" if not numbers else f"{len(numbers)}, from {numbers[0]} to {numbers[-1]}"
