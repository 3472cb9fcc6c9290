"""Ascend NPU through torch_npu. From torch 2.5.1 on torch_npu loads itself with torch."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Optional


def missing() -> str:
    """Why this backend cannot be used here; "" where it can."""
    if importlib.util.find_spec("torch_npu") is None:
        return "the interpreter has no torch_npu"
    try:
        importlib.import_module("torch_npu")
    except Exception as error:  # a broken CANN shows itself as any exception of the import
        return "torch_npu does not import: {}".format(str(error).strip().splitlines()[-1:] or error)
    import torch

    return "" if torch.npu.is_available() else "torch_npu finds no device"


def device_name(device: Optional[int]) -> str:
    """The torch device string."""
    return "npu:{}".format(device or 0)


def synchronize() -> None:
    """Wait until the device has done all that was queued."""
    import torch

    torch.npu.synchronize()


def peak_memory_bytes() -> int:
    """Largest amount that the caching allocator held on the device."""
    import torch

    return int(torch.npu.max_memory_reserved())
