"""How the model is executed: npugraph (captured once, then replayed), or a compile backend.

A replayed graph has no host work for each operator. Only aclnn operators can be captured,
and not at task queue level 2 (torch_npu, docs/zh/developer_notes/npugraph.md, NPUGraph.cpp).
"""

from __future__ import annotations

import ctypes
from typing import Any

from ..failure import one_line, unsupported
from ..protocol import ReadBack
from ..tree import tensors_of
from ..workload import Workload

KEEPS_INPUTS = True
CALLS_BEFORE_CAPTURE = 3  # not captured: they load kernels and fill the allocator's cache
CAPTURE = "aclmdlRICaptureBegin"
NO_GRAPHS = "this torch_npu has no NPUGraph: TorchNPU 7.0.0 is the first that has"


def missing(value: str) -> str:
    """Looked for in CANN, torch_npu and torch, not guessed from a version."""
    import torch
    import torch_npu

    if not hasattr(torch_npu.npu, "NPUGraph"):
        return NO_GRAPHS
    if not hasattr(ctypes.CDLL("libascendcl.so"), CAPTURE):
        return "CANN here has no graph capture ({} is not in libascendcl.so)".format(CAPTURE)
    if value == "npugraph":
        return ""
    if not hasattr(torch, "compile"):
        return "torch {} has no torch.compile".format(torch.__version__)
    import torch._dynamo

    if value not in torch._dynamo.list_backends(exclude_tags=()):
        return "torch.compile has no backend {} here".format(value)
    return ""


def compiles(value: str) -> bool:
    """Does the first call compile it? A graph is captured before it."""
    return value != "npugraph"


class Graphed:
    """A forward that was captured once: inputs are copied to where it was captured, then replayed.

    As with torch.cuda.make_graphed_callables, the next call overwrites the output.
    """

    def __init__(self, workload: Workload) -> None:
        import torch

        self.inputs = tensors_of([workload.args, workload.kwargs])
        self.replays = 0
        side = torch.npu.Stream()  # capture is refused on the default stream
        side.wait_stream(torch.npu.current_stream())
        with torch.npu.stream(side):
            for _ in range(CALLS_BEFORE_CAPTURE):
                workload.call()
        torch.npu.current_stream().wait_stream(side)
        torch.npu.synchronize()
        self.graph = torch.npu.NPUGraph()
        with torch.npu.graph(self.graph, stream=side):
            self.output = workload.call()
        torch.npu.synchronize()
        # A caller's inputs lie elsewhere: measured ones must, too, or the copy would look free.
        workload.map_inputs(lambda tensor: tensor.clone())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for captured, tensor in zip(self.inputs, tensors_of([args, kwargs])):
            if captured.data_ptr() != tensor.data_ptr():
                captured.copy_(tensor)
        self.graph.replay()
        self.replays += 1
        return self.output


def apply(value: str, workload: Workload) -> None:
    """Replace the workload's forward."""
    import torch

    if value != "npugraph":
        workload.forward = torch.compile(workload.module, backend=value, dynamic=False)
        return
    if not hasattr(torch.npu, "NPUGraph"):
        raise unsupported(NO_GRAPHS)
    try:
        workload.forward = Graphed(workload)
    except (
        RuntimeError
    ) as error:  # an operator, a copy to the host or a wait that cannot be captured
        raise unsupported("graph capture: {}".format(one_line(error)))


def read_back(workload: Workload, start: Any) -> ReadBack:
    """What kind of object is called, and whether it was really replayed or compiled."""
    import torch

    if workload.forward is workload.module:
        return ReadBack("eager", True, "type of the called module")
    if isinstance(workload.forward, Graphed):
        replays = workload.forward.replays
        return ReadBack("npugraph", replays > 0, "replayed {} times".format(replays))
    compiled = torch._dynamo.utils.counters["stats"].get("unique_graphs", 0)
    return ReadBack("compiled", compiled > 0, "{} graphs compiled".format(compiled))
