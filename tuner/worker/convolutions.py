"""Which path convolutions took on the device: aclnn (prebuilt kernels) or aclop (the older one).

torch_npu names each operator that it launches to torch's profiler, on either path and at every
level of the task queue: aclnnConvolution, or Conv2D. Convolutions leave aclnn where operators are
compiled on line or private formats are allowed (op-plugin, ConvolutionKernelNpuOpApi.cpp).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from .facts import Convolutions
from .failure import one_line
from .workload import Workload

ACLNN = re.compile(r"aclnn\w*Conv")
ACLOP = re.compile(r"(Depthwise)?Conv[123]D")


def taken(workload: Workload, synchronize: Any) -> Convolutions:
    """The path that they take in one more call; it fails no run."""
    import torch

    try:
        with torch.autograd.profiler.profile(use_kineto=False) as profile:
            workload.call()
            synchronize()
    except Exception as error:  # what was measured before stays good
        return Convolutions("", one_line(error))
    return by_names(Counter(event.name for event in profile.function_events))


def by_names(names: "Counter[str]") -> Convolutions:
    """The path that the names of launched operators tell."""
    aclnn = {name: count for name, count in names.items() if ACLNN.match(name)}
    aclop = {name: count for name, count in names.items() if ACLOP.match(name)}
    path = "mixed" if aclnn and aclop else "aclnn" if aclnn else "aclop" if aclop else ""
    how = ", ".join("{} {}".format(count, name) for name, count in {**aclnn, **aclop}.items())
    return Convolutions(path, how or "no operator of a convolution seen")
