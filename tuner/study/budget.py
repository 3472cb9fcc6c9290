"""How long things take: the trials that a time budget leaves room for, and what noise costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..evidence.finalists import FINALISTS, block_runs
from ..evidence.intervals import effect_shown
from ..evidence.pairs import Step, floor_of
from ..evidence.summary import SEARCH_ROLES, Summary, finished_trials
from ..language import N_, say
from ..policy import BASELINE_RUNS, MIN_PAIRS, TOO_BUSY
from ..runs.records import RecordedRun, elapsed_s
from ..text import duration
from ..worker.protocol import Role
from .heat_size import HeatSize, expected_s

if TYPE_CHECKING:
    from .runner import Runner


def wanted_trials(summary: Summary, budget_s: float, runs: Sequence[RecordedRun]) -> int:
    """How many trials the budget leaves time for; the confirmation's time is kept back.

    At least one trial for each preset beside the baseline, and as many as there are once the
    confirmation has begun.
    """
    done = len(finished_trials(runs))
    least = 1 + len(summary.space.presets)
    if summary.confirmation_runs or not runs:
        return max(done, least)
    left_s = budget_s - elapsed_s(runs) - confirmation_s(summary, runs)
    return max(done + max(0, math.floor(left_s / _run_s(runs))), least)


def confirmation_s(summary: Summary, runs: Sequence[RecordedRun]) -> float:
    """What the confirmation will take: every block, and the hold-out to its first look.

    To its last one where an effect is to be shown. Runs made again, and an ablation, are extra.
    """
    looks = summary.looks
    if not looks:
        return 0.0
    pairs = looks[0 if summary.options.target_effect is None else -1].pairs
    return (block_runs(FINALISTS) + 2 * pairs) * _run_s(runs)


def _run_s(runs: Sequence[RecordedRun]) -> float:
    """Mean seconds of a run of the search: of a heat its share, the companion's time with it.

    A heat's companion is no run. Trial 0, which is alone, counts only while there is nothing else.
    """
    searched = [r for r in runs if r.role in (*SEARCH_ROLES, Role.COMPANION)]
    searched = [r for r in searched if r.run.spec.heat] or searched
    return elapsed_s(searched) / len([r for r in searched if r.role != Role.COMPANION])


def noise_found(summary: Summary, runs: Sequence[RecordedRun]) -> list[str]:
    """What the baseline's runs say of this host, and what that means for answer and time."""
    return [
        line for line in (_noise(summary), *_plan(summary, runs), _short(summary, runs)) if line
    ]


def _noise(summary: Summary) -> str:
    spread, base = summary.baseline_spread, summary.baseline
    if spread is None or base is None:
        return ""
    count = len([r for r in base.runs if r.run.result.measurement is not None])
    parts = [
        say("noise: {runs} runs of the baseline differ by {spread:.1%}", runs=count, spread=spread)
    ]
    floor = floor_of(summary)
    if floor and floor.host is not None:
        text = N_("noise: the host moved by {host:.1%}, ratios by {ratios:.1%} ({runs} runs)")
        count = sum(r.run.uid in summary.ruler.relative for r in base.runs)
        parts = [say(text, host=floor.host, ratios=floor.ratios, runs=count)]
    shown = [(one.pairs, effect_shown(one.pairs, spread, one.alpha)) for one in summary.looks]
    if shown and shown[-1][1] > TOO_BUSY:
        busy = say("too busy a machine for an answer, unless that changes: stop what else runs")
        return "; ".join([*parts, busy])
    said = N_("{pairs} pairs of fresh runs can show a gain from {effect:.1%} upwards")
    return "; ".join([*parts, *(say(said, pairs=n, effect=effect) for n, effect in shown)])


def _plan(summary: Summary, runs: Sequence[RecordedRun]) -> Iterator[str]:
    """What --target-effect makes of it."""
    target, spread = summary.options.target_effect, summary.baseline_spread
    looks = summary.looks
    if target is None or not looks:
        return
    if spread is None:
        yield say("too few runs of the baseline to plan --target-effect: confirmed as with auto")
        return
    pairs = looks[-1].pairs
    said = N_("for --target-effect {target:.1%} up to {pairs} pairs are planned, about {time}")
    yield say(said, target=target, pairs=pairs, time=duration(2 * pairs * _run_s(runs)))
    shown = effect_shown(pairs, spread, looks[-1].alpha)
    if shown > target:
        said = N_(
            "warning: more pairs than that are not planned, and they show {effect:.1%}: "
            "a smaller gain needs a quieter host"
        )
        yield say(said, effect=shown)


def _short(summary: Summary, runs: Sequence[RecordedRun]) -> str:
    """That a budget is too short for what must be done in any case."""
    budget_s, least = summary.options.budget_s, 1 + len(summary.space.presets)
    if budget_s is None or not runs:
        return ""
    needed_s = (BASELINE_RUNS + least) * _run_s(runs) + confirmation_s(summary, runs)
    said = N_("warning: --budget is too short: presets and confirmation alone take about {time}")
    return say(said, time=duration(needed_s)) if needed_s > budget_s else ""


def of_heats(runner: Runner, decided: HeatSize, baseline: RecordedRun) -> Iterator[str]:
    """How the study is measured, and why so; about how long its search takes."""
    if decided.size == 1:
        yield say("measured alone, one run after the other: {why}", why=decided.why)
        return
    text = N_("measured in turns, {size} runs alive together: {why}")
    if runner.setup.budget_s is None:
        text = N_(
            "measured in turns, {size} runs alive together: {why}; the search takes about {time} "
            "and what compiling takes"
        )
    seconds = expected_s(runner, decided.size, baseline)
    yield say(text, size=decided.size, why=decided.why, time=duration(seconds))


def ablation_cost(summary: Summary, step: Step) -> str:
    """How many runs of an ablation are to come and how long they take, as the fresh runs took."""
    each_s = elapsed_s(summary.confirmation_runs) / len(summary.confirmation_runs)
    runs, more = step.total - step.done, 3 * MIN_PAIRS
    said = N_(
        "why it is faster: {runs} runs, about {time}, with one knob at a time back at its default; "
        "then {more} runs, about {longer}, for each smaller configuration that is tried"
    )
    return say(
        said, runs=runs, time=duration(runs * each_s), more=more, longer=duration(more * each_s)
    )
