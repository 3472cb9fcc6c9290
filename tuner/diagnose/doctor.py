"""Is this environment fit for measuring? Each answer says what was seen and what to do."""

from __future__ import annotations

import math
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ..language import N_, Message
from ..options import Setup
from ..runs import lease, npu_smi
from ..runs.device import CPU, Device, chip_of, measured_on
from ..runs.records import Run
from ..space import variables
from ..study.probe import make_launcher
from ..study.repeat import run_folder
from ..worker.facts import ProbeFacts
from ..worker.protocol import ModelSpec, Outcome, ProbeRequest, Role, TrialSpec
from . import host
from .host import Finding
from .versions import at_least

IMPORT_DEADLINE_S = 90.0  # torch_npu imports in seconds, on a busy host in tens of them
OLDEST_DRIVER, OLDEST_CANN = "23.0.3", "8.0.RC1"  # what the reference case found to be needed
OLDEST_PYTHON = (3, 8)
CAPTURE, NPUGRAPH = "npu_execution", "npugraph"  # the handler that tries it, and its value

# What a failing import says -> what to do about it.
REMEDIES = {
    r"Two accelerators cannot be used": N_(
        "torch is a CUDA build with a usable GPU: install the CPU build of torch beside torch_npu"
    ),
    r"Duplicated key": N_(
        "this torch_npu does not go with a CUDA build of torch: install torch's CPU build"
    ),
    r"lib(hccl|ascendcl|ge_runner|graph|acl_\w+)\.so|ASCEND_HOME_PATH|set_env|does not exist": N_(
        "CANN is not in this shell's environment: source set_env.sh of its installation"
    ),
    r"undefined symbol": N_("install the torch_npu that is made for this torch"),
    r"finds no device": N_("npu-smi info; in a container, pass /dev/davinci* and the driver in"),
}


def examine(
    python: str = "", device: int | None = None, env_script: str = "", launch_prefix: str = ""
) -> list[Finding]:
    """Every check of this host and of what the interpreter can do, where workers would run.

    Raises UnfitEnvironmentError for a script that cannot be read.
    """
    of_host = list(host.checks())  # first: the load must not be the examination's own
    if not launch_prefix and shutil.which(python or sys.executable) is None:
        seen = Message("{path}: there is none", {"path": python})
        todo = Message("name one with --python")
        return [Finding("interpreter", "FAIL", seen, todo), *of_host]
    setup = Setup("", python=python, env_script=env_script, launch_prefix=launch_prefix)
    with run_folder(launch_prefix) as folder:
        launcher = make_launcher(setup, folder)
        path = shlex.join([*launcher.prefix, launcher.python])
        torch_run, npu_run = (launcher.run(_spec(name, device)) for name in ("cpu", "npu"))
        located = npu_run  # where torch_npu does not work, a worker without it tells the device
        if npu_run.result.outcome != Outcome.OK:
            located = launcher.run(replace(npu_run.spec, role=Role.LOCATE))
    chosen = None
    if located.result.outcome == Outcome.OK:
        chosen = measured_on("npu", located.result.fingerprint, bool(launch_prefix))
    facts = torch_run.result.probe or ProbeFacts()
    of_devices = [*devices(npu_run, npu_smi.run(), chosen, facts.cann), *_held(chosen)]
    of_host += [*quota(torch_run.result.fingerprint, facts.throttled_s), *refused(facts)]
    return [*software(path, torch_run, npu_run), *of_devices, *of_host]


def refused(facts: ProbeFacts) -> Iterator[Finding]:
    """Variables whose values mean nothing, as the interpreter has them."""
    for name, value in facts.refused.items():
        todo = Message("correct it or unset it; allowed: {it}", {"it": variables.allowed(name)})
        yield Finding("variable", "FAIL", Message(f"{name}={value!r}"), todo)


def quota(fingerprint: dict[str, Any], throttled_s: float) -> Iterator[Finding]:
    """What the cgroups give of the processors, where they limit it."""
    limit, count = fingerprint.get("cpu_quota"), fingerprint.get("usable_cpus")
    if limit is None or count is None:
        return
    text = N_("the time of {limit:g} processors, of {count}")
    if throttled_s >= 0.05:
        text = N_("the time of {limit:g} processors, of {count}; throttled for {s:.1f} s so far")
    seen = Message(text, {"limit": limit, "count": count, "s": throttled_s})
    asked, wanted = fingerprint.get("variables", {}).get("OMP_NUM_THREADS", ""), math.ceil(limit)
    threads = int(asked) if asked.isdigit() else count
    if threads <= wanted:
        yield Finding("quota", "OK", seen)
        return
    todo = Message(
        "torch starts {threads} threads and is stopped when the time is used up: set "
        "OMP_NUM_THREADS={wanted}, or raise the quota (docker run --cpus, cpu.max)",
        {"threads": threads, "wanted": wanted},
    )
    yield Finding("quota", "WARN", seen, todo)


def _held(chosen: Device | None) -> Iterator[Finding]:
    """Does a study of this tool measure on what would be measured?"""
    for device in (chosen, CPU):
        holder = lease.holder(device.name) if device else ""
        if holder:
            todo = Message("wait for it: the examination disturbs it")
            yield Finding("study", "WARN", Message(holder), todo)


def _spec(backend: str, device: int | None) -> TrialSpec:
    return TrialSpec(
        study="",
        trial=-1,
        role=Role.PROBE,
        backend=backend,
        model=ModelSpec("", ""),  # none: only the device is asked
        device=device,
        deadline_s=IMPORT_DEADLINE_S,
        probe=ProbeRequest(
            {CAPTURE: [NPUGRAPH]} if backend == "npu" else {}, variables=variables.rules()
        ),
    )


def software(python: str, torch_run: Run, npu_run: Run) -> Iterator[Finding]:
    """Interpreter, torch, torch_npu and how they go together."""
    facts = torch_run.result.fingerprint
    if torch_run.result.outcome != Outcome.OK:
        yield Finding("interpreter", "OK", Message(python))
        todo = Message("install torch there, or name an interpreter that has it with --python")
        if torch_run.result.outcome != Outcome.ENVIRONMENT_ERROR:
            todo = Message("repeat it by hand: python -c 'import torch'")
        seen = why_not(torch_run)
        seen = replace(seen, text=seen.text.partition(": install")[0])  # that is for torch_npu
        yield Finding("torch", "FAIL", seen, todo)
        return
    yield _python(python, str(facts["python"]))
    torch, torch_npu = str(facts["torch"]), str(facts["torch_npu"])
    yield Finding("torch", "OK", Message(torch))
    if not torch_npu:
        yield _not_installed((torch_run.result.probe or ProbeFacts()).npus)
        return
    wanted, have = (re.match(r"\d+\.\d+\.\d+", version) for version in (torch, torch_npu))
    paired = not wanted or not have or wanted[0] == have[0]
    if not paired and wanted:
        both = {"torch_npu": torch_npu, "torch": torch}
        seen = Message("torch_npu {torch_npu} beside torch {torch}", both)
        version = {"version": wanted[0]}
        todo = Message("install torch_npu {version}: each goes with its own torch", version)
        yield Finding("pairing", "FAIL", seen, todo)
    if npu_run.result.outcome != Outcome.OK:
        yield Finding("torch_npu", "FAIL", why_not(npu_run), remedy(npu_run))
    elif paired:
        yield Finding("torch_npu", "OK", Message(torch_npu))


def _not_installed(npus: Sequence[str]) -> Finding:
    if npus:
        here = {"npus": ", ".join(npus)}
        seen = Message("not installed, and there are NPUs here: {npus}", here)
        todo = Message("install the one for this torch; the CPU is tuned with --backend cpu alone")
        return Finding("torch_npu", "FAIL", seen, todo)
    todo = Message("install the one for this torch, if there is an NPU; the CPU is tuned without")
    return Finding("torch_npu", "WARN", Message("not installed"), todo)


def _python(python: str, version: str) -> Finding:
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if numbers < OLDEST_PYTHON:
        seen, todo = Message(f"{python}: {version}"), Message("use Python 3.8 or later")
        return Finding("interpreter", "FAIL", seen, todo)
    return Finding("interpreter", "OK", Message(f"{python}: Python {version}"))


def why_not(run: Run) -> Message:
    """What became of an import, in one line."""
    result = run.result
    if result.outcome == Outcome.TIMEOUT:
        return Message("its import did not end within {s:.0f} s", {"s": run.spec.deadline_s})
    if result.outcome == Outcome.CRASHED:
        lines = [line for line in run.log_tail.splitlines() if "what():" in line or "rror" in line]
        message = "; ".join([result.message, *(line.strip() for line in lines[:1])])
        return Message("its import ended the process: {message}", {"message": message})
    return Message(result.message.removeprefix("backend npu: "))


def remedy(run: Run) -> Message | None:
    """What to do about an import that failed; None where its message says it."""
    if "in the environment: " in run.result.message:
        return None  # a variable's value, and the message says which are right
    text = f"{run.result.message}\n{run.log_tail}"
    by_hand = Message("repeat it by hand: python -c 'import torch, torch_npu'")
    remedies = (Message(todo) for pattern, todo in REMEDIES.items() if re.search(pattern, text))
    return next(remedies, by_hand)


def devices(
    npu_run: Run, listing: npu_smi.Listing | None, chosen: Device | None = None, cann: str = ""
) -> Iterator[Finding]:
    """CANN, driver and the devices, where torch_npu sees any; npu-smi's view of them.

    chosen: the device that would be measured, where that is known; another's fault is no reason to
    stop. cann: what its files say, where torch_npu cannot.
    """
    facts = npu_run.result.fingerprint if npu_run.result.outcome == Outcome.OK else {}
    emulated = bool(facts.get("emulated_cann"))
    if facts:
        seen = Message(f"{facts['devices']} x {facts['soc']}")
        if emulated:
            seen = Message("{device} (emulated CANN: no device)", {"device": seen})
        yield Finding("device", "OK", seen)
        if chosen and not chosen.certain:
            yield _guessed(chosen)
        yield from capture(npu_run.result.probe)
    cann = str(facts.get("cann", "")) or cann
    driver = str(facts.get("driver", "")) or (listing.driver if listing else "")
    if facts or cann:
        yield _version("CANN", cann, OLDEST_CANN)
    if facts or driver:
        yield _version("driver", driver, OLDEST_DRIVER)
    if listing is None:
        if facts and not emulated:
            todo = Message("map npu-smi into the container to see the device's health and users")
            yield Finding("npu-smi", "WARN", Message("not there, or no answer"), todo)
        return
    mine = chip_of(listing, chosen) if chosen else None
    npus = [chip.npu for chip in listing.chips]
    for chip in listing.chips:
        alone = npus.count(chip.npu) == 1
        name = f"NPU {chip.npu}" if alone else f"NPU {chip.npu} chip {chip.chip}"
        yield _health(name, chip, chip is mine)


def capture(facts: ProbeFacts | None) -> Iterator[Finding]:
    """Can a call be captured as a graph here? It was tried."""
    why = facts.missing.get(CAPTURE, {}).get(NPUGRAPH) if facts else None
    if why:
        todo = Message("the knob execution leaves it out; nothing else needs it")
        yield Finding("graph capture", "WARN", Message(why), todo)
    elif why is not None:
        yield Finding("graph capture", "OK", Message("tried with a copy"))


def _guessed(chosen: Device) -> Finding:
    seen = Message(
        "which chip of the host it is, nothing tells: it is taken for {device}",
        {"device": chosen.name},
    )
    todo = Message(
        "in a container, pass /dev/davinci* and the driver in; until then a study in another "
        "container may share the chip unseen"
    )
    return Finding("device", "WARN", seen, todo)


def _version(name: str, have: str, needed: str) -> Finding:
    enough = at_least(have, needed)
    if enough:
        return Finding(name, "OK", Message(have))
    if enough is None:
        todo = Message("{needed} or later is needed: look it up by hand", {"needed": needed})
        seen = Message(have) if have else Message("unknown version")
        return Finding(name, "WARN", seen, todo)
    todo = Message("below {needed} some knobs were seen to do nothing: upgrade", {"needed": needed})
    seen = Message("{have}, older than {needed}", {"have": have, "needed": needed})
    return Finding(name, "WARN", seen, todo)


def _health(name: str, chip: npu_smi.Chip, chosen: bool) -> Finding:
    seen = Message(f"{chip.name}, {chip.health or '?'}")
    if chip.health.upper() != "OK":
        todo = Message("npu-smi info -t health; choose another with --device")
        return Finding(name, "FAIL" if chosen and chip.health else "WARN", seen, todo)
    if chip.processes:
        used = ", ".join(map(str, chip.processes))
        todo = Message("wait for them, or choose another with --device")
        seen = Message("{seen}; in use by process {used}", {"seen": seen, "used": used})
        return Finding(name, "WARN", seen, todo)
    return Finding(name, "OK", seen)
