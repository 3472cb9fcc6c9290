"""What can be done here? Answers the controller's questions before a study; measures nothing."""

from __future__ import annotations

import importlib
import os
import re
import sys
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Tuple

from . import batch, cann, chip, process_settings, quota, repeatable, subnormal, weights
from .applied import lists
from .applied.libraries import find_library, preload_fault
from .backends import npu
from .build import call_where_lazy, load, to_device, workload_of
from .facts import ProbeFacts
from .failure import RunError, environment_error, one_line, print_trace, unsupported
from .judge import judge_of
from .protocol import ProbeRequest, TrialSpec, VariableRule
from .tree import tensors_of
from .workload import Workload, batch_of

# Puts torch.npu in the place of torch.cuda, and makes torch.jit.script do nothing.
TRANSFER = "torch_npu.contrib.transfer_to_npu"


def of_environment(request: ProbeRequest) -> ProbeFacts:
    """What can be told before torch is imported."""
    own = lists.users(os.environ)
    return ProbeFacts(
        preload=own.pop(lists.PRELOAD, ""),
        settings=own,
        refused=refused(request.variables, os.environ),
        cann=cann.version(os.environ),
        npus=chip.marks(),
        throttled_s=quota.throttled_s() or 0.0,
    )


def refused(rules: Mapping[str, VariableRule], environment: Mapping[str, str]) -> Dict[str, str]:
    """The variables whose values mean nothing, with those."""
    return {
        name: environment[name]
        for name, rule in rules.items()
        if name in environment and not re.fullmatch(rule.pattern, environment[name])
    }


def refusal(rules: Mapping[str, VariableRule], values: Mapping[str, str]) -> str:
    """What is wrong with them, and what to do."""
    texts = [
        "{}={!r} in the environment: allowed: {}".format(name, value, rules[name].allowed)
        for name, value in values.items()
    ]
    return "; ".join(texts) + "; correct it or unset it"


def with_backend(
    facts: ProbeFacts, name: str, request: ProbeRequest, device: Optional[int] = None
) -> ProbeFacts:
    """Add which backend `name` is (`auto` is one of them), and why, or why it is missing.

    Raises RunError for variables with which torch_npu refuses its device, hangs in its import, or
    does silently what nobody asked for; and where `auto` means the CPU of a host that has NPUs.
    """
    if name == "cpu":
        return replace(facts, backend=name)
    if facts.refused and npu.is_installed():
        raise environment_error(refusal(request.variables, facts.refused))
    hidden = chip.why_hidden(device, os.environ) if npu.is_installed() else ""
    if hidden:
        raise environment_error(hidden)
    why = npu.missing()
    if name == "npu":
        return replace(facts, backend=name, backend_reason=why)
    if why:
        _require_cpu_is_meant(why, device, facts.npus)
        return replace(facts, backend="cpu", backend_reason=why)
    return replace(facts, backend="npu", backend_reason="torch_npu finds a device")


def _require_cpu_is_meant(why: str, device: Optional[int], npus: List[str]) -> None:
    """Raises RunError where the user has an NPU and would get the processor's answer instead."""
    if device is not None:
        seen = "--device {} names an NPU, which cannot be used".format(device)
    elif npus:
        seen = "there are NPUs here ({}) that cannot be used".format(", ".join(npus))
    else:
        return
    raise environment_error(
        "backend auto: {}: {}: install or repair it, or tune the CPU with --backend cpu".format(
            seen, why
        )
    )


def locate(name: str, device: Optional[int]) -> Tuple[str, Dict[str, Any]]:
    """The backend that a probe will most likely choose, and the chip that the device is.

    Imports no torch: that would disturb whoever measures on it now.
    """
    identity = chip.identity(device or 0, ask_cann=False)
    if name != "auto":
        return name, identity
    return "npu" if npu.is_installed() and identity["source"] else "cpu", identity


def with_model(facts: ProbeFacts, spec: TrialSpec, device: str) -> ProbeFacts:
    """Build the model once, share its weights and inputs, and add what it is like.

    Raises RunError for a model that cannot be measured as it is.
    """
    before = process_settings.seen()
    loaded = load(spec)
    facts = replace(facts, transferred=transferred(device))
    workload = workload_of(loaded, spec)
    facts = replace(facts, changed=process_settings.changes(before, process_settings.seen()))
    repeatable.share_inputs(workload, spec.inputs_path)
    call_where_lazy(workload)
    if os.path.exists(spec.weights_path):  # a resumed study keeps the weights that it began with
        weights.load(loaded.module, spec.weights_path)
    elif not loaded.repeatable and spec.model.weights is None:
        if loaded.random_weights:
            weights.calibrate(workload)
        weights.save(loaded.module, spec.weights_path)
    facts = replace(facts, **_looks(loaded.module, workload))
    to_device(workload, device)
    judge = judge_of(spec.compare, spec.model.folder, unsupported)
    try:
        gradients, not_comparable = repeatable.examine(workload, spec.seed, judge)
    except RunError:
        raise
    except Exception as error:
        print_trace(error)  # the first run of the baseline will say it
        return _with_batch(facts, spec, workload)
    facts = replace(facts, gradients=gradients, not_comparable=not_comparable)
    if device == "cpu":
        where, share = subnormal.found(workload)
        facts = replace(facts, subnormal_in=where, subnormal_share=share)
    return _with_failing(_with_batch(facts, spec, workload), spec.probe, workload)


def _with_failing(
    facts: ProbeFacts, request: Optional[ProbeRequest], workload: Workload
) -> ProbeFacts:
    """Add with which values that change the model in place a call of it fails.

    The last that is done with it: nothing is changed back.
    """
    import torch

    failing: Dict[str, Dict[str, str]] = {}
    for handler, values in request.values.items() if request else ():
        module = importlib.import_module("..knobs." + handler, __name__)
        for value in values if hasattr(module, "fails") else ():
            with torch.set_grad_enabled(facts.gradients):
                why = module.fails(value, workload)
            if why:
                text = "the model fails with it: {}".format(why)
                failing.setdefault(handler, {})[str(value)] = text
    return replace(facts, missing=failing)


def transferred(device: str) -> bool:
    """Has the model put torch.npu in the place of torch.cuda? Raises RunError where it may not."""
    if TRANSFER in sys.modules and device == "cpu":
        raise unsupported(
            "the model imports transfer_to_npu, which puts on the NPU what it asks of CUDA: tune "
            "it with --backend npu, or without that import"
        )
    return TRANSFER in sys.modules


def _looks(module: Any, workload: Workload) -> Dict[str, Any]:
    """What the inputs are, and how many parameters there are."""
    inputs = [
        "x".join(str(size) for size in tensor.shape) + ":" + str(tensor.dtype).replace("torch.", "")
        for tensor in tensors_of([workload.args, workload.kwargs])
    ]
    return {"inputs": inputs, "parameters": sum(p.numel() for p in module.parameters())}


def _with_batch(facts: ProbeFacts, spec: TrialSpec, workload: Workload) -> ProbeFacts:
    import torch

    dim, no_batch = spec.model.batch_dim, ""
    if spec.model.batch == "auto" and facts.not_comparable:
        no_batch = facts.not_comparable  # rows cannot be compared, either
    elif spec.model.batch == "auto":
        with torch.set_grad_enabled(facts.gradients):
            no_batch = batch.why_none(workload, 0)
    elif dim is None:
        no_batch = "--batch-dim none"
    size = None if no_batch else batch_of(workload.args, workload.kwargs, dim)
    return replace(facts, batch_size=size, no_batch=no_batch)


def with_knobs(facts: ProbeFacts, request: ProbeRequest) -> ProbeFacts:
    """Add which values cannot be used and why, and where the wanted libraries lie."""
    missing = dict(facts.missing)
    for handler, values in request.values.items():
        module = importlib.import_module("..knobs." + handler, __name__)
        if hasattr(module, "missing"):
            own = {str(value): _missing(module, value) for value in values}
            missing[handler] = {**missing.get(handler, {}), **own}
    libraries = {name: find_library(name) for name in request.libraries}
    faults = {name: preload_fault(path) for name, path in libraries.items() if path}
    return replace(facts, missing=missing, libraries=libraries, preload_faults=faults)


def _missing(module: Any, value: Any) -> str:
    try:
        return str(module.missing(value))
    except Exception as error:  # a probe that fails is a value that is not there
        return one_line(error)
