"""spec -> knobs -> model -> output check -> measure -> result."""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import importlib
import os
import resource
import sys
import time
from typing import Any, Dict, Iterator, Optional

from . import (
    build,
    convolutions,
    exchange,
    fingerprint,
    handlers,
    lifeline,
    measure,
    probe,
    processors,
    profile,
    protocol,
    weights,
    witnesses,
)
from .facts import ProbeFacts
from .failure import environment_error, one_line, outcome_of, print_trace, without_torch
from .in_turns import InTurns
from .line import Line
from .outputs import Outputs
from .process_settings import own_filters
from .protocol import (
    Measurement,
    Outcome,
    OutputCheck,
    ProbeRequest,
    Role,
    TrialResult,
    TrialSpec,
)
from .timed_region import timed_region, transfers
from .turns import Turns
from .workload import Workload, batch_of, resize_batch


def main(run_dir: str, supervisor: int) -> None:
    """Read the spec, run it, write the result, leave without tearing torch down."""
    started_ns, run_dir = time.monotonic_ns(), os.path.abspath(run_dir)
    lifeline.end_with_parent(supervisor)
    lifeline.keep_lease_to_ourselves()
    line = Line()
    faulthandler.enable(file=sys.stderr)
    spec = exchange.read(TrialSpec, os.path.join(run_dir, protocol.SPEC_FILE))
    if spec.role != Role.COMPANION:
        lifeline.die_first_of_memory()
    measuring = Measuring(spec, started_ns, run_dir, line)
    result = measuring.result()
    if not measuring.handed_over:
        exchange.write(result, os.path.join(run_dir, protocol.RESULT_FILE))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError, OSError, AttributeError):  # the model's code closed it
            stream.flush()
    if spec.backend == "npu":
        sys.exit(0)  # leaving early has not been proven harmless to a device
    os._exit(0)


class Measuring:
    """A run in progress with what is known so far, so that a failure keeps it.

    handed_over: were all its samples written, heat by heat?
    """

    def __init__(self, spec: TrialSpec, started_ns: int, run_dir: str, line: Line) -> None:
        self.spec, self.run_dir, self.line = spec, run_dir, line
        self.handed_over = False
        self.known: Dict[str, Any] = {}
        self.phases_s: Dict[str, float] = {}
        self.inner_s = 0.0  # of phases within the one that goes on
        self.outputs = Outputs(spec, self.known)
        path, self.in_phase = os.path.join(run_dir, protocol.PHASES_FILE), ""
        self.phases = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.began_ns = spec.launched_ns or started_ns
        if spec.launched_ns and started_ns > spec.launched_ns:
            self.phases_s["interpreter"] = (started_ns - spec.launched_ns) / 1e9

    def result(self) -> TrialResult:
        """Run to the end or to the first exception; after one, nothing more is measured."""
        try:
            steps = {Role.LOCATE: self._locate, Role.PROBE: self._probe}
            steps.get(self.spec.role, self._measure)()
            outcome, message = self._verdict()
        except BaseException as error:  # SystemExit of a user's model included
            print_trace(error)
            self.known.pop("measurement", None)
            outcome, message = outcome_of(error), one_line(error)
        return TrialResult(outcome, message, dict(self.phases_s), **self.known)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase, without one within it. Whoever ends the run reads where it was."""
        start, outer_s, self.inner_s = time.monotonic_ns(), self.inner_s, 0.0
        if name != self.in_phase:
            self.in_phase = name
            line = "{} {:.3f}\n".format(name, (start - self.began_ns) / 1e9)
            with contextlib.suppress(OSError):  # a full disk says so elsewhere
                os.write(self.phases, line.encode())
        try:
            yield
        finally:
            spent_s = (time.monotonic_ns() - start) / 1e9
            self.phases_s[name] = self.phases_s.get(name, 0.0) + spent_s - self.inner_s
            self.inner_s = outer_s + spent_s

    def _verdict(self) -> Any:
        output: Optional[OutputCheck] = self.known.get("output")
        if output is not None and output.status == "failed":
            self.known.pop("measurement", None)
            return Outcome.WRONG_OUTPUT, output.reason
        return Outcome.OK, ""

    def _locate(self) -> None:
        backend, identity = probe.locate(self.spec.backend, self.spec.device)
        self.known["probe"] = ProbeFacts(backend)
        self.known["fingerprint"] = {"chip": identity}

    def _probe(self) -> None:
        self._prepare_process()
        name, request = self.spec.backend, self.spec.probe or ProbeRequest()
        facts = self.known["probe"] = probe.of_environment(request)
        self._import_torch()
        facts = self.known["probe"] = probe.with_backend(facts, name, request, self.spec.device)
        if facts.backend_reason and name != "auto":
            raise environment_error("backend {}: {}".format(name, facts.backend_reason))
        backend = _backend(facts.backend)
        device = backend.device_name(self.spec.device)
        self.known["fingerprint"] = _fingerprint(backend)
        if self.spec.model.source:  # `doctor` asks without a model
            with self.phase("build"):
                facts = self.known["probe"] = probe.with_model(facts, self.spec, device)
        with self.phase("knobs"):
            self.known["probe"] = probe.with_knobs(facts, request)

    def _measure(self) -> None:
        spec = self.spec
        states = self._prepare_process()
        backend = self._import_torch()
        import torch

        with self.phase("device"):
            handlers.apply(
                spec.knobs, "process", None
            )  # before the first operator: the device latches settings
            device = backend.device_name(spec.device)
            backend.synchronize()
        with self.phase("build"):
            before = handlers.settable_again(spec.knobs, states)
            workload = self._build(device)
            self.known["set_again"] = handlers.set_again(spec.knobs, before, states)
        gradients = torch.set_grad_enabled(spec.model.gradients)
        with self.phase("transform"), own_filters(), gradients:
            for stage in ("input", "model"):
                handlers.apply(spec.knobs, stage, workload)
        with torch.set_grad_enabled(spec.model.gradients):
            if spec.heat:
                call = timed_region(workload, spec.rule.timed_region, device)
                turns = Turns(call, backend.synchronize, time.perf_counter_ns, spec.rule)
                InTurns(self, workload, backend, device, states, turns).run(
                    handlers.compile_in_first_call(spec.knobs)
                )
                return
            if spec.role == Role.PROFILE:
                self._profile(workload, backend, device)
            else:
                self._measure_workload(workload, backend, device)
            self.look_back(workload, backend, states)

    @own_filters()
    def look_back(self, workload: Workload, backend: Any, states: Dict[str, Any]) -> None:
        """What can be seen only after it was measured."""
        if self.spec.backend == "npu" and "measurement" in self.known:
            self.known["convolutions"] = convolutions.taken(workload, backend.synchronize)
        self.known["read_back"] = handlers.read_back(self.spec.knobs, workload, states)
        self.known["warnings"] = sorted(set(workload.warnings))
        self.known["exported"] = workload.exported
        self.known["memory"] = backend.memory()
        self.known["fingerprint"] = _fingerprint(backend)

    def _prepare_process(self) -> Dict[str, Any]:
        """Limits and affinity, then what must be seen before torch is there."""
        spec = self.spec
        if spec.memory_limit_bytes:
            limit = spec.memory_limit_bytes
            # Private writable memory (setrlimit(2)); RLIMIT_AS would count torch's libraries.
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        if spec.cpus:
            os.sched_setaffinity(0, spec.cpus)
        processors.usable()  # now: torch's OpenMP runtime may bind this thread
        return handlers.states_at_start(spec.knobs)

    def _import_torch(self) -> Any:
        with self.phase("import"):
            # torch 2.5.1 and later would load torch_npu at once: its failure must not look like
            # torch's, and the CPU does not need it. The npu backend imports it by itself.
            os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"
            try:
                importlib.import_module("torch")
            except Exception as error:  # a broken installation raises more than ImportError
                raise without_torch(error, self.spec.knobs)
            if self.spec.backend == "auto":
                return None
            return _backend(self.spec.backend)

    def _build(self, device: str) -> Workload:
        loaded = build.load(self.spec)
        workload = build.workload_of(loaded, self.spec)
        build.call_where_lazy(workload)
        if os.path.exists(self.spec.weights_path):
            weights.load(loaded.module, self.spec.weights_path)
        if self.spec.batch_size is not None:
            dim = self.spec.model.batch_dim
            assert dim is not None  # it has no knob of that name then
            resize_batch(workload, self.spec.batch_size, dim)
        build.to_device(workload, device)
        workload.phase, workload.exports = self.phase, self.spec.exports_path
        return workload

    def _measure_workload(self, workload: Workload, backend: Any, device: str) -> None:
        """First call, output check, warm-up, samples, blocks, output check again."""
        rule, clock, synchronize = self.spec.rule, time.perf_counter_ns, backend.synchronize
        call = timed_region(workload, rule.timed_region, device)
        compiles = handlers.compile_in_first_call(self.spec.knobs)
        with self.phase("first_call"), own_filters() if compiles else contextlib.nullcontext():
            _, first_ns, output = measure.timed_call(call, synchronize, clock)
        with self.phase("check"):
            if self.outputs.first_fails(output, workload):
                return
        with self.phase("warmup"):
            warmup_ns = measure.warm_up(call, synchronize, clock, max(0, rule.warmup_calls - 1))
        cpus = witnesses.usable_cpus()
        self.known["witnesses_before"] = witnesses.counters(cpus)
        with self.phase("samples"):
            samples = measure.sample(call, synchronize, clock, rule)
            calls = measure.calls_per_block(samples.latency_ns, rule)
            block_ns = measure.time_blocks(call, synchronize, clock, rule, calls)
        self.known["witnesses_after"] = witnesses.counters(cpus)
        rested_ns = measure.after_rests(call, synchronize, clock, rule.pause_ms)
        copies = transfers(workload, synchronize, clock, device)
        with self.phase("check"):
            self.outputs.last_fails(call(), workload)
        self.known["peak_memory_bytes"] = backend.peak_memory_bytes()
        self.known["measurement"] = Measurement(
            warmup_ns=[first_ns] + warmup_ns,
            dispatch_ns=samples.dispatch_ns,
            latency_ns=samples.latency_ns,
            block_ns=block_ns,
            calls_per_block=calls,
            batch_size=batch_of(workload.args, workload.kwargs, self.spec.model.batch_dim),
            rested_ns=rested_ns,
            **copies,
        )

    def _profile(self, workload: Workload, backend: Any, device: str) -> None:
        """Where the time of an inference goes; copies apart, whatever the study's timed region."""
        call, clock = workload.call, time.perf_counter_ns
        with self.phase("profile"):
            facts = profile.times(call, backend, clock, self.spec.rule)
            copies = transfers(workload, backend.synchronize, clock, device)
            facts = profile.with_device(dataclasses.replace(facts, **copies), call, backend)
            if not facts.device_error:
                folder = self.spec.profile_folder
                facts = profile.with_trace(facts, call, backend, clock, folder)
        self.known["profile"] = facts


def _backend(name: str) -> Any:
    return importlib.import_module("..backends." + name, __name__)


def _fingerprint(backend: Any) -> Dict[str, Any]:
    own = {**backend.fingerprint(), "variables": fingerprint.variables()}
    return {**fingerprint.collect(), **own}
