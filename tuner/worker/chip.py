"""Which chip of the host is the device that this process calls by a number?

There are three numbers: torch_npu's own counts what ASCEND_RT_VISIBLE_DEVICES leaves; the logic id
counts all that this container sees; the physical id is the host's, N of /dev/davinciN, and the same
in every container.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

BUS_ID_BYTES = 64
VISIBLE = "ASCEND_RT_VISIBLE_DEVICES"


def identity(device: int, ask_cann: bool) -> Dict[str, Any]:
    """physical_id, what told it (source), logic_id, and pci_bus_id where CANN tells it, else "".

    source: "" for a guess, the logic id: it is right where this container sees the whole host.
    ask_cann: its runtime, too, which torch_npu has loaded; without, nothing touches the device.
    """
    runtime = _library("libascendcl.so") if ask_cann else None
    logic_id = _answer(runtime, "aclrtGetLogicDevIdByUserDevId", device)
    if logic_id is None:
        logic_id = logic_id_of(device, os.environ)
    physical_id, source = logic_id, ""
    for library, function, number in (
        (runtime, "aclrtGetPhyDevIdByUserDevId", device),
        (_library("libascend_hal.so"), "drvDeviceGetPhyIdByIndex", logic_id),
    ):
        answer = _answer(library, function, number)
        if answer is not None:
            physical_id, source = answer, function
            break
    else:
        nodes = physical_ids(os.listdir("/dev"))
        if logic_id < len(nodes):
            physical_id, source = nodes[logic_id], "/dev/davinci*"
    return {
        "physical_id": physical_id,
        "source": source,
        "logic_id": logic_id,
        "pci_bus_id": _pci_bus_id(runtime, device),
    }


def logic_id_of(device: int, variables: Mapping[str, str]) -> int:
    """What ASCEND_RT_VISIBLE_DEVICES makes of torch_npu's number."""
    listed = visible(variables)[0] or []
    return listed[device] if device < len(listed) else device


def visible(variables: Mapping[str, str]) -> Tuple[Optional[List[int]], str]:
    """The logic ids that ASCEND_RT_VISIBLE_DEVICES leaves, and what is wrong with it.

    None where it is not set. CANN reads as far as there are numbers with a comma between, and
    supports ascending ones only: its "Environment Variable Reference".
    """
    text = variables.get(VISIBLE, "")
    if not text:
        return None, ""
    numbers: List[int] = []
    for part in text.split(","):
        if not re.match(r"[0-9]+$", part):
            why = "what follows ',' is no number" if numbers else "it begins with no number"
            return numbers, why
        numbers.append(int(part))
    ascending = all(a < b for a, b in zip(numbers, numbers[1:]))
    return numbers, "" if ascending else "numbers must ascend"


def why_hidden(device: Optional[int], variables: Mapping[str, str]) -> str:
    """Why `--device` cannot be had under ASCEND_RT_VISIBLE_DEVICES; "" where it can."""
    numbers, wrong = visible(variables)
    if wrong:
        text = "{}={!r} in the environment: {}: correct it or unset it"
        return text.format(VISIBLE, variables[VISIBLE], wrong)
    if numbers is None or (device or 0) < len(numbers):
        return ""
    one, last = len(numbers) == 1, len(numbers) - 1
    here = "0" if one else "{} and {}".format(", ".join(map(str, range(last))), last)
    text = "--device {}: {}={} leaves {}, which {} {} here: give {}, or change the variable"
    count = "1 device" if one else "{} devices".format(len(numbers))
    which = ("is", here, "that") if one else ("are", here, "one of those")
    return text.format(device, VISIBLE, variables[VISIBLE], count, *which)


def marks(
    names: Optional[List[str]] = None, which: Callable[[str], Optional[str]] = shutil.which
) -> List[str]:
    """What tells that NPUs are here, whether or not anything can use them: their nodes, or npu-smi.

    names: of all that lies in /dev.
    """
    nodes = physical_ids(os.listdir("/dev") if names is None else names)
    smi = which("npu-smi")
    return ["/dev/davinci{}".format(number) for number in nodes] or ([smi] if smi else [])


def physical_ids(names: List[str]) -> List[int]:
    """Of the devices that have a node in /dev, by logic id; names: of all that lies there."""
    matches = [re.match(r"davinci(\d+)$", name) for name in names]
    return sorted(int(match.group(1)) for match in matches if match)


def _library(name: str) -> Optional[ctypes.CDLL]:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def _answer(library: Optional[ctypes.CDLL], function: str, number: int) -> Optional[int]:
    """The id that a function gives for another; None where it is not there or gives none."""
    if not hasattr(library, function):
        return None
    answer = ctypes.c_int32(-1)
    failed = getattr(library, function)(number, ctypes.byref(answer))
    return None if failed or answer.value < 0 else answer.value


def _pci_bus_id(runtime: Optional[ctypes.CDLL], device: int) -> str:
    text = ctypes.create_string_buffer(BUS_ID_BYTES)
    function = getattr(runtime, "aclrtDeviceGetPCIBusId", None)
    if function is None or function(device, text, BUS_ID_BYTES):
        return ""
    return text.value.decode("ascii", "replace").upper()
