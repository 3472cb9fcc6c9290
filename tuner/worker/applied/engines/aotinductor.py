"""AOTInductor: what torch.compile makes, made before the first call and kept in a package."""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

import torch
import torch._inductor

SUFFIX = ".pt2"


def decides() -> Tuple[Any, ...]:
    """What is written into the code: threads, and the vector instructions that may be used."""
    return torch.get_num_threads(), torch.backends.cpu.get_cpu_capability()


def export(flat: Any, tensors: Sequence[Any], path: str) -> None:
    """For torch's number of threads of now, which is written into the code."""
    with torch.no_grad():
        program = torch.export.export(flat, tuple(tensors), strict=False)
        torch._inductor.aoti_compile_and_package(program, package_path=path)


def load(path: str) -> Any:
    """The package."""
    return torch._inductor.aoti_load_package(path)


def call(package: Any, tensors: Sequence[Any]) -> List[Any]:
    """No Python between its operators, and no guards."""
    output = package(*tensors)
    return list(output) if isinstance(output, (tuple, list)) else [output]
