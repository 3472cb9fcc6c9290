"""What stands beside the verdict: failures, outputs, what the model does beside its work."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence.result import Result
from ..language import N_, say
from ..study import notes
from ..text import command


def remarks(result: Result) -> Iterator[str]:
    """Failures by outcome, what became of outputs, and what the model does beside its work."""
    if result.failures:
        failures = ", ".join(f"{count} {outcome}" for outcome, count in result.failures.items())
        text = N_("failed runs: {counted}; why: {command}")
        yield say(text, counted=failures, command=command("show", result.study))
    yield from notes.of_inert(result.inert)
    yield from notes.of_failing(result.failing)
    before, after = result.evidence.convolutions
    if before or after:
        text = N_("convolutions: baseline {before}, best {after}")
        nothing = say("not seen")
        yield say(text, before=before or nothing, after=after or nothing)
    yield from outputs(result)
    again = [name for name in result.evidence.set_again if name in result.configuration]
    if again:
        text = N_(
            "the model's own code sets {knobs} back: here set again once the model was built; the "
            "deployed program must do the same, after it has built the model"
        )
        yield say(text, knobs=", ".join(again))
    growth = result.evidence.growth
    if growth is not None:
        text = N_(
            "warning: latency grows from call to call: the last calls of a run of the baseline "
            "take {by:.0%} longer than its first, in {runs} of {of} runs, and a fresh process "
            "begins low again: the model keeps state, or something leaks"
        )
        yield say(text, by=growth.by, runs=growth.runs, of=growth.of_runs)


def outputs(result: Result) -> Iterator[str]:
    """Who found them the same, on which inputs, and what could not be checked."""
    if result.evidence.output_check == "impossible":
        why = result.evidence.output_reason
        yield say("warning: outputs could not be checked: {why}", why=why)
    elif result.evidence.output_by and result.evidence.output_others == "passed":
        judge = result.evidence.output_by
        yield say("output: the same by {judge}, on other inputs too", judge=judge)
    elif result.evidence.output_by:
        yield say("output: the same by {judge}", judge=result.evidence.output_by)
    elif result.evidence.output_others == "passed":
        yield say("output: like the baseline's, on other inputs too")
    else:
        yield say("output: like the baseline's")
    if result.evidence.output_others.startswith("not checked"):
        why = result.evidence.output_others.partition(": ")[2]
        text = N_(
            "warning: outputs could not be checked on other inputs ({why}): a mode that has kept "
            "what it saw of the first ones would not be noticed"
        )
        yield say(text, why=why)
    for warning in result.evidence.warnings:
        yield say("warning: the best configuration: {warning}", warning=warning)
