"""Is this environment fit for measuring? Each answer says what was seen and what to do."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from . import host, npu_smi
from .errors import UnfitEnvironmentError
from .host import Check
from .launcher import Launcher, Run
from .session import interpreter
from .versions import at_least
from .worker.protocol import ModelSpec, Outcome, Role, TrialSpec

IMPORT_DEADLINE_S = 90.0  # torch_npu imports in seconds; a wrong log level makes it hang
OLDEST_DRIVER, OLDEST_CANN = "23.0.3", "8.0.RC1"
OLDEST_PYTHON = (3, 8)

# What a failing import says -> what to do about it.
REMEDIES = {
    r"lib(hccl|ascendcl|ge_runner|graph|acl_\w+)\.so|ASCEND_HOME_PATH|set_env": (
        "CANN is not in this shell's environment: source .../set_env.sh of its installation"
    ),
    r"Two accelerators cannot be used": (
        "torch is a CUDA build with a usable GPU: install the CPU build of torch beside torch_npu"
    ),
    r"Duplicated key": (
        "this torch_npu does not go with a CUDA build of torch: install torch's CPU build"
    ),
    r"undefined symbol": "install the torch_npu that is made for this torch",
    r"TASK_QUEUE_ENABLE": "correct the variable, or unset it",
}


def examine(python: str, device: int | None) -> list[Check]:
    """Every check of this host and of what the interpreter can do."""
    try:
        found = interpreter(python)
    except UnfitEnvironmentError as error:
        return [Check("interpreter", "FAIL", str(error), "name one with --python"), *host.checks()]
    with tempfile.TemporaryDirectory(prefix="npu-tune-") as folder:
        launcher = Launcher(found, Path(folder))
        torch_run, npu_run = (launcher.run(_spec(one, device)) for one in ("cpu", "npu"))
    listing = npu_smi.run()
    return [*software(found, torch_run, npu_run), *devices(npu_run, listing), *host.checks()]


def _spec(backend: str, device: int | None) -> TrialSpec:
    model = ModelSpec("", "")
    return TrialSpec(
        "", -1, Role.PROBE, backend, model, device=device, deadline_s=IMPORT_DEADLINE_S
    )


def software(python: str, torch_run: Run, npu_run: Run) -> Iterator[Check]:
    """Interpreter, torch, torch_npu and how they go together."""
    facts = torch_run.result.fingerprint
    if torch_run.result.outcome != Outcome.OK:
        yield Check("interpreter", "OK", python)
        todo = "install torch there, or name an interpreter that has it with --python"
        yield Check("torch", "FAIL", why_not(torch_run).partition(": install")[0], todo)
        return
    yield _python(python, str(facts["python"]))
    yield Check("torch", "OK", f"{facts['torch']}")
    torch_npu = str(facts["torch_npu"])
    if not torch_npu:
        todo = "install the one for this torch, if there is an NPU; the CPU can be tuned without"
        yield Check("torch_npu", "WARN", "not installed", todo)
        return
    wanted, have = (re.match(r"\d+\.\d+\.\d+", str(facts[n])) for n in ("torch", "torch_npu"))
    if wanted and have and wanted[0] != have[0]:
        seen = f"torch_npu {torch_npu} beside torch {facts['torch']}"
        todo = f"install torch_npu {wanted[0]}: each goes with the torch of the same number"
        yield Check("torch_npu", "FAIL", seen, todo)
    if npu_run.result.outcome != Outcome.OK:
        yield Check("torch_npu", "FAIL", why_not(npu_run), remedy(npu_run))
    elif wanted and have and wanted[0] == have[0]:
        yield Check("torch_npu", "OK", f"{torch_npu} imports")


def _python(python: str, version: str) -> Check:
    numbers = tuple(int(part) for part in version.split(".")[:2])
    if numbers < OLDEST_PYTHON:
        return Check("interpreter", "FAIL", f"{python}: {version}", "use Python 3.8 or later")
    return Check("interpreter", "OK", f"{python}: Python {version}")


def why_not(run: Run) -> str:
    """What became of an import, in one line."""
    if run.result.outcome == Outcome.TIMEOUT:
        return f"the import did not end within {run.spec.deadline_s:.0f} s"
    if run.result.outcome == Outcome.CRASHED:
        said = run.log_tail.splitlines()[-1:] if run.log_tail else []
        return f"the import died: {run.result.message}" + "".join(f"; {line}" for line in said)
    return run.result.message


def remedy(run: Run, environment: Mapping[str, str] = os.environ) -> str:
    """What to do about an import that failed."""
    level = environment.get("ASCEND_GLOBAL_LOG_LEVEL", "")
    if level and level not in ("0", "1", "2", "3", "4"):
        return f"ASCEND_GLOBAL_LOG_LEVEL={level} makes torch_npu hang: set 3, or unset it"
    text = f"{run.result.message}\n{run.log_tail}"
    found = next((todo for pattern, todo in REMEDIES.items() if re.search(pattern, text)), "")
    return found or "repeat it by hand: python -c 'import torch, torch_npu'"


def devices(npu_run: Run, listing: npu_smi.Listing | None) -> Iterator[Check]:
    """CANN, driver and the devices, where torch_npu sees any; npu-smi's view of them."""
    facts = npu_run.result.fingerprint if npu_run.result.outcome == Outcome.OK else {}
    if facts:
        label = " (emulated CANN: no device)" if facts["emulated_cann"] else ""
        yield Check("device", "OK", f"{facts['devices']} x {facts['soc']}{label}")
    cann = str(facts.get("cann", "")) or host.cann_from_files(os.environ)
    driver = str(facts.get("driver", "")) or (listing.driver if listing else "")
    if facts or cann:
        yield _version("CANN", cann, OLDEST_CANN, "the knobs' documentation begins there")
    if facts or driver:
        yield _version("driver", driver, OLDEST_DRIVER, "the reference case needed it")
    if listing is None:
        if facts and not facts["emulated_cann"]:
            todo = "map the tool into the container to see health and other users of the device"
            yield Check("npu-smi", "WARN", "not there", todo)
        return
    for chip in listing.chips:
        yield _health(chip)


def _version(name: str, have: str, needed: str, why: str) -> Check:
    enough = at_least(have, needed)
    if enough:
        return Check(name, "OK", have)
    seen = f"{have}, older than {needed}" if enough is False else f"{have or 'unknown'}"
    return Check(name, "WARN", seen, f"{needed} or later: {why}")


def _health(chip: npu_smi.Chip) -> Check:
    name, seen = f"NPU {chip.npu}", f"{chip.name}, {chip.health}"
    if chip.health.upper() != "OK":
        return Check(name, "FAIL", seen, "npu-smi info -t health; choose another with --device")
    if chip.processes:
        used = ", ".join(map(str, chip.processes))
        todo = "wait for them, or choose another with --device: shared devices measure nothing"
        return Check(name, "WARN", f"{seen}; in use by process {used}", todo)
    return Check(name, "OK", seen)
