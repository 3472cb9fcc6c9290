"""How noisy is this host? The baseline against itself, pair after pair, in two minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any

from ..errors import BaselineError, Interrupted, UnfitEnvironmentError
from ..evidence.floor import RATIOS_FOR_FLOOR, Floor
from ..evidence.intervals import LOOKS
from ..evidence.pairs import floor_of
from ..language import Message
from ..options import Setup
from ..runs.records import RecordedRun
from ..runs.store import Store
from ..text import command
from ..worker.protocol import Outcome, Role
from . import notes, session, stored
from .heat_size import HeatSize, decide
from .heats import Entry
from .naming import model_name
from .repeat import run_folder
from .runner import Caller, Runner
from .together import baseline_failure, measure_together, require_fit

TIME_S = 100.0  # for the pairs, and the run that makes the reference
LEAST = 4  # pairs, however long they take
MOST = LOOKS[-1].pairs  # of a fast model: as many as the last look takes
EXIT_CODE = 5  # no answer can be expected here


@dataclass(frozen=True)
class HostNoise:
    """The floor of this host, by a model's baseline against itself.

    alone: why its pairs were made one run after the other; None where they were made in turns.
    study: of the runs, in the store.
    """

    study: str
    model: str
    backend: str
    alone: Message | None
    floor: Floor
    emulated_cann: bool

    @property
    def exit_code(self) -> int:
        """0: gains can be shown here; 5: not even the most pairs show one below 2x."""
        return EXIT_CODE if self.floor.too_busy else 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, the exit code included."""
        return {"exit_code": self.exit_code, "in_turns": self.alone is None, **asdict(self)}


def noise(setup: Setup, store: Store, caller: Caller) -> HostNoise:
    """Measure the floor; the runs are a study of their own in the store.

    Raises UnfitEnvironmentError where the model does not run here, Interrupted.
    """
    name = session.new_name(store, replace(setup, model=f"noise-{model_name(setup.model)}"))
    caller.note(notes.of_noise(name, setup))
    with run_folder(setup.launch_prefix) as folder:
        try:
            with session.opened(setup, store, name, caller, results=folder) as runner:
                # Whatever becomes of it: it is not resumed, it begins anew.
                store.update_study(name, finished_at=datetime.now(timezone.utc))
                heat = measure(runner)
        except Interrupted as error:
            raise Interrupted(f"stopped: {command('noise')} begins anew") from error
    summary = stored.load(store, name)
    floor = floor_of(summary)
    if floor is None:
        raise UnfitEnvironmentError(
            f"study {name!r}: fewer than {RATIOS_FOR_FLOOR} pairs of the baseline ran well; "
            f"why: {command('show', name)}"
        )
    return HostNoise(
        study=name,
        model=setup.model,
        backend=summary.space.backend,
        alone=None if heat.size > 1 else heat.why,
        floor=floor,
        emulated_cann=bool(summary.study.facts.fingerprint.get("emulated_cann")),
    )


def measure(runner: Runner, clock: Callable[[], float] = time.monotonic) -> HeatSize:
    """Run the baseline once, alone, then pairs of it: in heats of two, or one after the other.

    Raises BaselineError, UnfitEnvironmentError and Interrupted.
    """
    began, base = clock(), runner.space.baseline()
    decided = decide(runner, _reference(runner), session.beside(runner))
    heat = replace(decided, size=min(2, decided.size))
    runner.keep_heat_size(heat.size)
    number, pairs_began, total = 0, clock(), LEAST
    while number < total:
        pair = [Entry(runner, 0, base, Role.HOLD_OUT, number)] * 2
        for recorded in measure_together(pair, 2 * number, 2 * total):
            if not recorded.ok and recorded.outcome != Outcome.ENVIRONMENT_ERROR:
                raise BaselineError(baseline_failure(runner.record, 0, recorded.run))
        number += 1
        total = fitting(number, clock() - pairs_began, TIME_S - (pairs_began - began))
    return heat


def _reference(runner: Runner) -> RecordedRun:
    """The run that makes the reference output: disturbed or not, nothing is compared with it."""
    base = runner.space.baseline()
    while True:
        runner.observer.run_started(0, 1, Role.BASELINE, [base])
        recorded = runner.run_once(base, runner.trial_spec(0, base, Role.BASELINE))
        require_fit(runner, recorded)
        if recorded.ok:
            return recorded


def fitting(pairs: int, passed_s: float, time_s: float) -> int:
    """How many pairs fit into a time, when these took so long; at least 4."""
    each_s = passed_s / pairs
    fit = MOST if each_s <= 0 else int(time_s / each_s)
    return max(LEAST, min(MOST, fit))
