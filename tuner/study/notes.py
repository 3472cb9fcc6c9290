"""What the user is told before a study is measured: what is done, where, and what is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..evidence.environment import Difference
from ..language import N_, say
from ..options import OFF, Setup
from ..policy import BATCH_SIZE, WARMUP
from ..runs.device import Device
from ..runs.records import StudyFacts
from ..space.model import SearchSpace
from ..text import EMULATED_CANN
from ..worker.facts import ProbeFacts


def of_study(name: str, setup: Setup) -> Iterator[str]:
    """What a search will do."""
    text = N_("study {name}: {model}, {trials} trials, objective {objective}")
    if setup.budget_s is not None:
        text = N_("study {name}: {model}, about {minutes:g} minutes, objective {objective}")
    yield say(
        text,
        name=name,
        model=setup.model,
        trials=setup.trials,
        minutes=(setup.budget_s or 0.0) / 60,
        objective=setup.objective,
    )
    if setup.confirm != OFF:
        yield say("then the best few are confirmed by fresh runs (--confirm off: not)")


def of_check(name: str, setup: Setup) -> str:
    """What a check will do. name: of the study that stays; "" where none does."""
    if not name:
        text = N_(
            "{model}: one configuration against the baseline, objective {objective}; --keep keeps "
            "the runs as a study"
        )
        return say(text, model=setup.model, objective=setup.objective)
    text = N_(
        "study {name}: {model}, one configuration against the baseline, objective {objective}"
    )
    return say(text, name=name, model=setup.model, objective=setup.objective)


def of_noise(name: str, setup: Setup) -> str:
    """What a measurement of the noise will do."""
    text = N_("study {name}: {model}, the baseline against itself, about two minutes")
    return say(text, name=name, model=setup.model)


def of_environment(facts: StudyFacts) -> Iterator[str]:
    """Where it is measured: backend, device, versions."""
    yield from of_subnormal(facts.probe)
    why, fingerprint = facts.probe.backend_reason, facts.fingerprint
    yield say("backend: {backend}", backend=facts.probe.backend) + (f" ({why})" if why else "")
    if "soc" in fingerprint:
        names = ("soc", "cann", "driver", "torch_npu")
        versions = {name: fingerprint[name] or "?" for name in names}
        text = N_("device: {soc}, CANN {cann}, driver {driver}, torch_npu {torch_npu}")
        yield say(text, **versions)
        if fingerprint["emulated_cann"]:
            yield say(EMULATED_CANN)
    if facts.probe.transferred:
        yield say(
            "the model imports transfer_to_npu: what it asks of torch.cuda it gets of torch.npu, "
            "and torch.jit.script does nothing, so what it scripts is measured in eager mode"
        )


def of_changes(facts: StudyFacts) -> Iterator[str]:
    """What the model's own code changes in its process."""
    if facts.probe.changed:
        text = N_("the model's own code changes its process, in every run: {changes}")
        yield say(text, changes="; ".join(facts.probe.changed))


def of_subnormal(facts: ProbeFacts) -> Iterator[str]:
    """Numbers with which the model is slow for a reason that no knob mends."""
    if facts.subnormal_in:
        text = N_(
            "warning: {share:.0%} of the values in {where} are subnormal numbers, nearer to zero "
            "than 1e-37, which a processor computes many times slower: where they may be zero, "
            "call torch.set_flush_denormal(True) first of all in the program, and in the model's "
            "file"
        )
        yield say(text, share=facts.subnormal_share, where=facts.subnormal_in)


def of_unsaved(runs: int) -> str:
    """What the database did not take when the study ended, and has now."""
    return say("measured runs that the database had not taken are in it now: {n}", n=runs)


def of_differences(differences: Iterable[Difference]) -> Iterator[str]:
    """What is not as it was when the study began."""
    for item in differences:
        text = N_("warning: {key} was {old!r} when the study began, is {new!r} now")
        yield say(text, key=item.name, old=item.before, new=item.after)


def of_others(device: Device, processes: list[int] | None) -> Iterator[str]:
    """Who else is on the device."""
    if processes:
        text = N_(
            "warning: npu-smi shows other processes on {device}: {others}; a busy one disturbs"
        )
        yield say(text, device=device.name, others=", ".join(map(str, processes)))


def of_left_out(space: SearchSpace) -> Iterator[str]:
    """What of the search space file is not here."""
    for part in space.left_out:
        if not part.knob:
            yield say(part.why)
        if part.values:
            values = ", ".join(map(str, part.values))
            text = N_("left out: {name}={values}: {why}")
            yield say(text, name=part.knob, values=values, why=part.why)
        for preset in part.presets:
            if part.values:
                yield say("left out: preset {preset} with it", preset=preset)
            else:
                yield say("left out: preset {preset}: {why}", preset=preset, why=part.why)


def of_inert(settings: Mapping[str, str]) -> Iterator[str]:
    """What is the baseline's own under another name. settings: as in `Result`."""
    text = N_("{setting} does nothing here: it reads back as {back}")
    for setting, back in settings.items():
        yield say(text, setting=setting, back=back)


def of_failing(settings: Mapping[str, str]) -> Iterator[str]:
    """What is not tried any more. settings: as in `Result`."""
    for setting, line in settings.items():
        text = N_("left out from now on: {setting}: it failed whenever it was tried: {line}")
        yield say(text, setting=setting, line=line)


def of_space(space: SearchSpace) -> str:
    """How much there is to search."""
    counts = {k.name: len(k.searched) for k in space.knobs if k.name not in (WARMUP, BATCH_SIZE)}
    sizes = ", ".join(f"{name} {count}" for name, count in counts.items())
    return say("search space, values of each knob: {sizes}", sizes=sizes)
