"""Run where torch_npu is: captures a model's forward as a graph, replays it, and says what came.

    python tests/data/programs/captures.py MODELS_FILE REPLAYS FACTORY [PRIVATE_FORMATS] …

One line of JSON for each factory, each in a process of its own that shares the import.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent.parent))

KEPT_CALL = 5


def answer(models: str, replays: int, factory: str) -> dict[str, Any]:
    """factory: with a `+`, private formats are on, and convolutions take the aclop path."""
    import torch
    import torch_npu

    from tuner.worker.failure import RunError
    from tuner.worker.knobs import npu_execution
    from tuner.worker.workload import Workload

    spec = importlib.util.spec_from_file_location("models", models)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    torch_npu.npu.set_compile_mode(jit_compile=False)
    torch_npu.npu.config.allow_internal_format = factory.endswith("+")
    on_host, inputs = getattr(module, factory.rstrip("+"))()
    on_device = copy.deepcopy(on_host).npu()
    given = {name: tensor.npu() for name, tensor in inputs.items()}
    workload, error, kept = Workload(on_device, (), given, on_device), 0.0, None
    with torch.no_grad():
        try:
            npu_execution.apply("npugraph", workload)
        except RunError as failure:
            return {"outcome": failure.outcome.value, "message": str(failure)}
        for call in range(replays):
            x = torch.randn_like(inputs["x"])
            output, right = workload.forward(x=x.npu())["features"], on_host(x)["features"]
            error = max(error, float((output.cpu() - right).abs().max()))
            if call == KEPT_CALL:
                kept = output, right
        difference = float((kept[0].cpu() - kept[1]).abs().max())
    back = npu_execution.read_back(workload, None)
    return {"outcome": "ok", "error": error, "kept": difference, "back": [back.value, back.how]}


def main(models: str, replays: str, *factories: str) -> None:
    """Each factory's line."""
    import torch_npu  # noqa: F401  once for all; the device is not touched before the fork

    for factory in factories:
        child = os.fork()
        if child == 0:
            print(json.dumps(answer(models, int(replays), factory)), flush=True)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
