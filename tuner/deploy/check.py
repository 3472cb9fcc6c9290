"""Does an exported configuration still hold, here and now? Measured as it was: paired with the
baseline, in fresh runs, with an interval."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..errors import BaselineError, Interrupted, UnfitEnvironmentError, UsageError
from ..evidence.conclude import conclude
from ..evidence.environment import Difference, differences
from ..evidence.intervals import Interval
from ..evidence.result import Result
from ..evidence.summary import Summary
from ..language import Message
from ..options import Setup
from ..policy import BATCH_SIZE, WARMUP
from ..runs.store import Store
from ..space.model import Configuration
from ..study import session
from ..study.repeat import run_folder
from ..study.runner import Caller
from ..worker.protocol import Outcome
from .best import BestConfiguration

Answer = Literal["kept", "regression", "unclear"]
EXIT_CODES: dict[Answer, int] = {"kept": 0, "regression": 3, "unclear": 5}
KEPT_SHARE = 0.9  # of the promised speed-up: an interval holds no drift from day to day
CANNOT_RUN = (Outcome.UNSUPPORTED, Outcome.CRASHED, Outcome.OUT_OF_MEMORY)


@dataclass(frozen=True)
class Check:
    """The answer, with its reason; promised and seen: (speed-up, its interval).

    environment: where this one differs from the one that it was tuned on. study: of the fresh runs;
    "" where nothing had to be measured.
    """

    answer: Answer
    reason: Message
    promised: tuple[float, Interval | None]
    seen: tuple[float, Interval | None] | None
    pairs: int
    environment: tuple[Difference, ...]
    study: str
    emulated_cann: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, the exit code included."""
        return {"exit_code": EXIT_CODES[self.answer], **asdict(self)}


def without_measuring(best: BestConfiguration) -> Check | None:
    """The answer of a file that keeps the defaults; None where there is something to measure."""
    if best.recommendation != "keep the defaults":
        return None
    return Check("kept", Message("it keeps the defaults"), (1.0, None), None, 0, (), "", False)


def setup_of(best: BestConfiguration, where: str, changes: dict[str, Any]) -> Setup:
    """How it is measured again. changes: fields of Setup, such as python or model.

    The file's variables that are set here already, as in an image that was built with them, are
    kept from the baseline.

    Raises UsageError for a file that does not say how it was measured, or sets nothing,
    UnfitEnvironmentError for processors that are not there.
    """
    asked = best.measured_with
    counts = (WARMUP, BATCH_SIZE)
    only = {name: value for name, value in best.configuration.items() if name not in counts}
    if asked is None or not only:
        lacks = "sets no knob" if asked else "does not say how it was measured"
        raise UsageError(f"{where}: it {lacks}; write it anew with npu-tune export")
    folder = asked.folder if Path(asked.folder).is_dir() else str(Path.cwd())
    deployed = {n for n, v in best.environment_variables.items() if os.environ.get(n) == v}
    space, weights, size = asked.space, asked.weights, best.evidence.batch_size
    held: dict[str, Any] = {
        **asked.model_dump(exclude={"max_latency_ms"}),  # judged by the pairs
        "backend": best.backend,
        "folder": folder,
        "space": os.path.join(folder, space) if "/" in space or "." in space else space,
        "weights": os.path.join(folder, weights) if weights not in (None, "DEFAULT") else weights,
        "pins": {} if size is None else {BATCH_SIZE: str(size)},
        "trials": 2,
        "baseline_runs": 1,
        "only": only,
        "without": tuple(sorted(deployed)),
    }
    found = Setup(**{**held, **changes}).check()
    if not found.launch_prefix and not set(found.cpus) <= (usable := os.sched_getaffinity(0)):
        raise UnfitEnvironmentError(
            f"{where}: it was measured on processors {_listed(found.cpus)}, usable here: "
            f"{_listed(usable)}; choose others with --cpus"
        )
    return found


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, sorted(numbers)))


def check(
    best: BestConfiguration,
    asked: Setup,
    store: Store,
    caller: Caller,
) -> Check:
    """Measure and judge; the fresh runs are a study of their own in the store.

    Raises UnfitEnvironmentError where the configuration, or the model, cannot run here.
    """
    name = session.new_name(store, replace(asked, model=f"check-{best.study}"))
    with run_folder(asked.launch_prefix) as folder:
        try:
            summary = session.tune(asked, store, name, caller, folder)
        except BaselineError as error:
            raise UnfitEnvironmentError(str(error)) from error
        except Interrupted as error:
            raise Interrupted("stopped: a check begins anew") from error
    return judged(best, summary, conclude(summary))


def judged(best: BestConfiguration, summary: Summary, found: Result) -> Check:
    """The answer of a study of that one configuration."""
    promised = promise(best)
    answer, reason = _answer(best, promised, summary, found)
    now = summary.study.facts["fingerprint"]
    return Check(
        answer=answer,
        reason=reason,
        promised=promised,
        seen=(found.evidence.speedup, found.evidence.interval),
        pairs=found.evidence.pairs,
        environment=tuple(differences(best.environment, now)),
        study=found.study,
        emulated_cann=bool(now.get("emulated_cann")),
    )


def promise(best: BestConfiguration) -> tuple[float, Interval | None]:
    """What the file says of its configuration; of the smaller one, where that was exported."""
    if best.minimal is not None:
        return best.minimal.over_baseline.speedup, best.minimal.over_baseline.interval
    return best.evidence.speedup, best.evidence.interval


def _answer(
    best: BestConfiguration,
    promised: tuple[float, Interval | None],
    summary: Summary,
    found: Result,
) -> tuple[Answer, Message]:
    failed = _failure(summary)
    if failed is not None:
        outcome, message = failed
        if outcome in CANNOT_RUN:
            raise UnfitEnvironmentError(
                f"{best.study}: the configuration cannot run here: {outcome.value}: {message}; "
                "tune anew in this environment"
            )
        return "regression", Message(f"{outcome.value}: {message}")
    interval, (speedup, held) = found.evidence.interval, promised
    least = KEPT_SHARE * (held.low if held else speedup)
    limit_ms = best.measured_with.max_latency_ms if best.measured_with else None
    if limit_ms is not None and found.evidence.best.latency_ms > limit_ms:
        return "regression", Message("over the limit of {limit:g} ms", {"limit": limit_ms})
    if summary.space.is_baseline(summary.identity(_asked(summary))):
        return "regression", Message("it is what the defaults are here")
    if interval and best.recommendation == "apply" and interval.high < least:
        return "regression", Message(
            "less than {share:.0%} of what it promised", {"share": KEPT_SHARE}
        )
    if found.verdict == "faster":
        return "kept", Message("faster than the baseline, as it promised")
    if found.verdict in ("slower", "same"):
        return "regression", Message("not faster than the baseline any more")
    return "unclear", found.reason or Message("the noise forbids an answer")


def _asked(summary: Summary) -> Configuration:
    return {**summary.space.baseline(), **(summary.study.setup["only"] or {})}


def _failure(summary: Summary) -> tuple[Outcome, str] | None:
    """What became of the configuration, where a run of it failed by its own doing."""
    searched = [r for one in summary.measured for r in one.runs]
    for recorded in [*searched, *summary.confirmation_runs]:
        found = recorded.run.result
        if found.outcome in (Outcome.OK, Outcome.ENVIRONMENT_ERROR):
            continue
        if not summary.space.is_baseline(summary.identity(recorded.configuration)):
            return found.outcome, found.message
    return None
