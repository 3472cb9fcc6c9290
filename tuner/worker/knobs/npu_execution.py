"""How the model is executed: npugraph (captured once, then replayed), or a compile backend.

A replayed graph has no host work for each operator. Only aclnn operators can be captured,
and not at task queue level 2 (torch_npu, docs/zh/developer_notes/npugraph.md, NPUGraph.cpp).
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any, Callable

from ..failure import first_cause, one_line, unsupported
from ..protocol import ReadBack
from ..tree import map_tensors, tensors_of
from ..workload import Workload

KEEPS_INPUTS = True
CAPTURE = "aclmdlRICaptureBegin"
NO_GRAPHS = "this torch_npu has no NPUGraph: TorchNPU 7.0.0 is the first that has"


def missing(value: str) -> str:
    """Looked for in CANN, torch_npu and torch, and tried on the device; not guessed."""
    import torch
    import torch_npu

    if not hasattr(torch_npu.npu, "NPUGraph"):
        return NO_GRAPHS
    if not hasattr(ctypes.CDLL("libascendcl.so"), CAPTURE):
        return "CANN here has no graph capture ({} is not in libascendcl.so)".format(CAPTURE)
    if value != "npugraph":
        if not hasattr(torch, "compile"):
            return "torch {} has no torch.compile".format(torch.__version__)
        import torch._dynamo

        if value not in torch._dynamo.list_backends(exclude_tags=()):
            return "torch.compile has no backend {} here".format(value)
    return _why_no_capture()


@functools.lru_cache(maxsize=None)  # one that fails leaves the allocator in its capture
def _why_no_capture() -> str:
    """What a capture of nothing but a copy says; "" where this device, CANN and torch_npu do it."""
    import torch

    source, target = (torch.ones(1, device="npu") for _ in range(2))
    try:
        graph, side = torch.npu.NPUGraph(), torch.npu.Stream()
        torch.npu.synchronize()
        with torch.npu.graph(graph, stream=side):
            target.copy_(source)
        graph.replay()
        torch.npu.synchronize()
    except RuntimeError as error:
        return "nothing can be captured here: {}".format(one_line(first_cause(error)))
    return ""


def compiles(value: str) -> bool:
    """Does the first call compile it? A graph is captured before it."""
    return value != "npugraph"


class Graphed:
    """A forward that was captured once: inputs are copied to where it was captured, then replayed.

    By torch_npu's own make_graphed_callables, of a function: of a module it would hand all its
    parameters over in each call. It takes and gives flat tensors, so those are taken from the
    inputs, and the output has the structure of the captured one. Outputs are copied, because the
    next call overwrites what the graph gives.

    pool_bytes: what the graph keeps of the device's memory.
    """

    def __init__(self, workload: Workload) -> None:
        import torch

        def forward(*tensors: Any) -> Any:
            given = iter(tensors)
            args, kwargs = map_tensors(example, lambda _: next(given))
            self.output = workload.module(*args, **kwargs)
            return tuple(tensors_of(self.output))

        example = workload.args, workload.kwargs
        before_bytes = torch.npu.memory_reserved()
        inputs = tuple(tensor.clone() for tensor in tensors_of(example))
        self.replay = torch.npu.make_graphed_callables(forward, inputs)
        self.pool_bytes = torch.npu.memory_reserved() - before_bytes
        self.replays = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.replays += 1
        outputs = iter(self.replay(*tensors_of([args, kwargs])))
        return map_tensors(self.output, lambda _: next(outputs).clone())


def apply(value: str, workload: Workload) -> None:
    """Replace the workload's forward."""
    import torch

    if value != "npugraph":
        compiled = torch.compile(workload.module, backend=value, dynamic=False)
        workload.forward = _copying(compiled) if value == "npugraphs" else compiled
        return
    if not hasattr(torch.npu, "NPUGraph"):
        raise unsupported(NO_GRAPHS)
    try:
        workload.forward = Graphed(workload)
    except RuntimeError as error:
        # An operator, a copy to the host or a wait that cannot be captured. Ending the capture
        # fails as well then, and hides why.
        raise unsupported("graph capture: {}".format(one_line(first_cause(error))))


def _copying(compiled: Any) -> Callable[..., Any]:
    """Outputs are copied: the next call overwrites them where they are (2.13.0, _graph_tree.py)."""

    def forward(*args: Any, **kwargs: Any) -> Any:
        return map_tensors(compiled(*args, **kwargs), lambda tensor: tensor.clone())

    return forward


def read_back(workload: Workload, start: Any) -> ReadBack:
    """What kind of object is called, and whether it was really replayed or compiled."""
    import torch

    if workload.forward is workload.module:
        return ReadBack("eager", True, "type of the called module")
    if isinstance(workload.forward, Graphed):
        graphed = workload.forward
        how = "replayed {} times, its pool takes {:.1f} MiB of the device"
        how = how.format(graphed.replays, graphed.pool_bytes / 2**20)
        return ReadBack("npugraph", graphed.replays > 0, how)
    compiled = torch._dynamo.utils.counters["stats"].get("unique_graphs", 0)
    return ReadBack("compiled", compiled > 0, "{} graphs compiled".format(compiled))
