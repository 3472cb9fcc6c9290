"""Ascend NPU through torch_npu. From torch 2.5.1 on torch_npu loads itself with torch."""

from __future__ import annotations

import ctypes
import glob
import importlib
import importlib.util
import mmap
import os
from typing import Any, Dict, Optional, Tuple

from .. import cann, chip
from ..device_time import Timer
from ..facts import Memory
from ..failure import environment_error
from ..memory import host_free_bytes, host_peak_bytes

# Those that a container is given with a device (CANN's installation guide).
NODES = ("/dev/*davinci*", "/dev/devmm_svm", "/dev/hisi_hdc")


def is_installed() -> bool:
    """Has the interpreter a torch_npu? It is not imported."""
    return importlib.util.find_spec("torch_npu") is not None


def missing() -> str:
    """Why this backend cannot be used here; "" where it can."""
    if not is_installed():
        return "the interpreter has no torch_npu"
    try:
        importlib.import_module("torch_npu")
    except Exception as error:  # a broken CANN shows itself as any exception of the import
        lines = str(error).strip().splitlines()
        return "torch_npu does not import: {}".format(lines[-1] if lines else repr(error))
    import torch

    return "" if torch.npu.is_available() else "torch_npu finds no device"


def device_name(device: Optional[int]) -> str:
    """The torch device string; the device becomes the current one."""
    import torch
    import torch_npu  # noqa: F401  (gives torch its device)

    count = torch.npu.device_count()
    if (device or 0) >= count:
        raise environment_error(
            "--device {}: torch_npu finds {} here, counted from 0 (ASCEND_RT_VISIBLE_DEVICES hides "
            "others)".format(device or 0, count)
        )
    name = "npu:{}".format(device or 0)
    torch.npu.set_device(name)
    return name


def synchronize() -> None:
    """Wait until the device has done all that was queued."""
    import torch

    torch.npu.synchronize()


def peak_memory_bytes() -> int:
    """Largest amount that the caching allocator held on the device."""
    import torch

    return int(torch.npu.max_memory_reserved())


def memory() -> Memory:
    """The host's, and the device's."""
    import torch

    free = torch.npu.mem_get_info()[0] if hasattr(torch.npu, "mem_get_info") else None
    return Memory(host_peak_bytes(), host_free_bytes(), peak_memory_bytes(), free)


def fingerprint() -> Dict[str, Any]:
    """Device, CANN and driver, as this process sees them."""
    import torch

    return {
        "soc": str(torch.npu.get_device_name(0)),
        "devices": int(torch.npu.device_count()),
        "chip": chip.identity(int(torch.npu.current_device()), ask_cann=True),
        "cann": cann_version("CANN"),
        "driver": cann_version("DRIVER") or cann.driver_version(),
        "emulated_cann": is_emulated(),
    }


def profiler() -> Tuple[Any, Any]:
    """The profiler's module, and the sets of activities to try in turn.

    Where CANN collects nothing (another profiler holds the device, or there is no msprof), nothing
    at all is parsed; the host's side alone still is.
    """
    module = importlib.import_module("torch_npu.profiler")
    host, device = module.ProfilerActivity.CPU, module.ProfilerActivity.NPU
    return module, [[host, device], [host]]


def device_timer() -> Timer:
    """Events of the device, and work that keeps it busy: products of matrices of a given size."""
    import torch

    def event() -> Any:
        return torch.npu.Event(enable_timing=True)

    def work(size: int) -> Any:
        matrix = torch.zeros(size, size, device="npu")
        product = torch.zeros(size, size, device="npu")
        return lambda: torch.mm(matrix, matrix, out=product)

    return Timer(synchronize, event, work)


def cann_version(package: str) -> str:
    """What CANN says of itself, else what its installation's files say; "" where neither does.

    Source: torch_npu.npu.utils.get_cann_version, which 2.1.0.post10 (for CANN 8.0) does not have,
    and which raises below CANN 8.1.RC1.
    """
    try:
        utils = importlib.import_module("torch_npu.npu.utils")
        return str(utils.get_cann_version(package))
    except Exception:
        return cann.version(os.environ) if package == "CANN" else ""


def library_holds(text: bytes) -> bool:
    """Is this text, such as a message, in torch_npu's library? So it knows what that is about."""
    import torch_npu

    path = os.path.join(os.path.dirname(torch_npu.__file__), "lib", "libtorch_npu.so")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as bytes_:
        return bytes_.find(text) >= 0


def is_emulated() -> bool:
    """Is what torch_npu has loaded as CANN an emulation? By either of two marks.

    That of the tests says so; and no driver reaches a device without one of its nodes.
    """
    return _says_so() or not any(map(glob.glob, NODES))


def _says_so() -> bool:
    try:
        return hasattr(ctypes.CDLL("libascendcl.so"), "emulated_cann")
    except OSError:
        return False
