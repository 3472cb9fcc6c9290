"""The noise of a study in sentences: spread, smallest effect, what was unsteady or disturbed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from .cells import times
from .language import N_, say
from .noise import Noise
from .policy import NOISY_SPREAD, TOO_BUSY
from .result import Result

ADVICE = {  # what disturbed a run -> what to do
    N_("other processes"): N_("stop what else runs on these processors, or give it others: --cpus"),
    N_("steal"): N_("the host of this virtual machine is busy"),
    N_("throttling"): N_("the processor was hot: cool it, or wait"),
    N_("slow processor"): N_(
        "a neighbour of this virtual machine, or its clock: measure again later"
    ),
    N_("low frequency"): N_("set the governor to performance"),
    N_("involuntary switches"): N_("give it cores of its own: --cpus"),
    N_("device shared"): N_("wait until nobody else uses the NPU"),
}


def noise_lines(found: Result) -> Iterator[str]:
    """Spread, smallest effect, disturbed runs: each with what to do."""
    evidence, noise = found.evidence, found.evidence.noise
    if noise.baseline_spread is not None:
        line = say(
            "noise: {count} runs of the baseline spread by {spread:.1%}",
            count=noise.baseline_runs,
            spread=noise.baseline_spread,
        )
        if noise.baseline_spread > NOISY_SPREAD:
            line += say("; a quieter machine, or --cpus with cores of one node, lowers it")
        yield line
    if evidence.interval:
        said = N_(
            "smallest speed-up that these {pairs} pairs show 4 times of 5: {effect}; "
            "for less: npu-tune --resume --study {name} --confirm {more}"
        )
        if evidence.interval.smallest_effect > 1 + TOO_BUSY:
            said = N_(
                "too busy a machine for an answer: these {pairs} pairs show nothing below "
                "{effect}; stop what else runs, then: npu-tune --resume --study {name} "
                "--confirm {more}"
            )
        pairs, effect = evidence.pairs, times(evidence.interval.smallest_effect)
        yield say(said, name=shlex.quote(found.study), pairs=pairs, effect=effect, more=2 * pairs)
    if any(2 * one.unsteady >= one.runs for one in (evidence.baseline, evidence.best)):
        said = N_(
            "never settled: {baseline} of {baseline_runs} runs of the baseline, {best} of {runs} "
            "of the best: give more warm-up, such as --set warmup=200, or a quieter machine"
        )
        yield say(
            said,
            baseline=evidence.baseline.unsteady,
            baseline_runs=evidence.baseline.runs,
            best=evidence.best.unsteady,
            runs=evidence.best.runs,
        )
    if noise.runs:
        yield disturbed(noise)


def disturbed(noise: Noise) -> str:
    """How many runs were disturbed, by what, and what to do."""
    if not noise.disturbed_runs:
        return say("disturbed from outside: none of {runs} runs", runs=noise.runs)
    kinds = ", ".join(
        f"{say(kind)} {count} ({say(ADVICE[kind])})" for kind, count in noise.disturbed.items()
    )
    return say(
        "disturbed from outside: {count} of {runs} runs: {kinds}",
        count=noise.disturbed_runs,
        runs=noise.runs,
        kinds=kinds,
    )
