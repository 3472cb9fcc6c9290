"""Processors on which the worker's threads may run, like taskset does before a program starts.

Fewer processors keep the two threads that feed the device from wandering, and, where they belong
to the device's NUMA node, near it. They are taken from the usable ones, so --cpus counts.
"""

from __future__ import annotations

import glob
import os
from typing import Any, List, Optional, Set, Union

from .. import processors
from ..files import text_of
from ..protocol import ReadBack
from ..workload import Workload

HUAWEI = "0x19e5"  # PCI vendor
ACCELERATOR = "0x1200"  # PCI class "processing accelerator"
NEAR = "near"


def missing(value: Union[int, str]) -> str:
    """Where it would bind nothing, or the device's node cannot be told."""
    usable = processors.usable()
    if value == NEAR:
        nodes = _device_nodes()
        if len(nodes) != 1:
            named = ", ".join(map(str, sorted(nodes))) or "none named"
            return "the device's NUMA node cannot be told (of accelerators: {})".format(named)
        near = _cpus_of_node(nodes.pop()) & usable
        return "" if near and near != usable else "every usable processor is near the device"
    return "" if int(value) < len(usable) else "only {} processors are usable".format(len(usable))


def apply(value: Union[int, str], workload: Optional[Workload]) -> None:
    """Bind every thread that there is; later ones inherit it.

    Torch has counted the processors at import, so its pool is made as small as taskset would.
    """
    import torch

    cpus = _chosen(value)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(len(cpus))
    for task in os.listdir("/proc/self/task"):
        try:
            os.sched_setaffinity(int(task), cpus)
        except ProcessLookupError:  # the thread has ended
            continue


def _chosen(value: Union[int, str]) -> List[int]:
    usable = processors.usable()
    nodes = _device_nodes()
    near = _cpus_of_node(nodes.pop()) & usable if len(nodes) == 1 else set()
    if value == NEAR:
        return sorted(near)
    order = sorted(usable, key=lambda cpu: (cpu not in near, _rank_in_core(cpu), cpu))
    return order[: int(value)]


def read_back(workload: Workload, start: Any) -> ReadBack:
    """The main thread's affinity mask, as a count; `near` where it is exactly the device's node."""
    mask = os.sched_getaffinity(0)
    nodes = _device_nodes()
    how = "sched_getaffinity: {}".format(",".join(map(str, sorted(mask))))
    if len(nodes) == 1 and mask == _cpus_of_node(nodes.pop()):
        return ReadBack(NEAR, True, how)
    return ReadBack(len(mask), True, how)


def _device_nodes() -> Set[int]:
    """NUMA nodes of the host's Ascend devices, by PCI; without -1, which names none."""
    nodes = set()
    for folder in glob.glob("/sys/bus/pci/devices/*"):
        vendor, kind = text_of(folder + "/vendor"), text_of(folder + "/class")
        if vendor == HUAWEI and kind.startswith(ACCELERATOR):
            nodes.add(int(text_of(folder + "/numa_node") or -1))
    return nodes - {-1}


def _cpus_of_node(node: int) -> Set[int]:
    return _parsed(text_of("/sys/devices/system/node/node{}/cpulist".format(node)))


def _rank_in_core(cpu: int) -> int:
    """0 for the first hardware thread of a core: two busy threads want two cores."""
    place = "/sys/devices/system/cpu/cpu{}/topology".format(cpu)
    siblings = sorted(_parsed(text_of(place + "/thread_siblings_list")))
    return siblings.index(cpu) if cpu in siblings else 0


def _parsed(text: str) -> Set[int]:
    """`0-3,8` -> {0, 1, 2, 3, 8}."""
    cpus: Set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus
