"""What this process really runs on."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any, Dict

from . import processors, quota
from .files import text_of

# Variables that change how torch runs, whoever set them.
VARIABLE_PREFIXES = (
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "ONEDNN_",
    "DNNL_",
    "TORCH",
    "ATEN_",
    "MALLOC_",
    "ASCEND_",
    "ACL_",
    "ACLNN_",
    "TASK_QUEUE_",
    "PYTORCH_NPU_",
    "CPU_AFFINITY_",
    "MULTI_STREAM_",
    "PER_STREAM_",
)
VARIABLES = ("LD_PRELOAD", "GLIBC_TUNABLES", "PYTORCH_JIT", "CUDA_VISIBLE_DEVICES")
ENGINES = ("onnxruntime", "openvino")
OURS = (
    "TORCHINDUCTOR_CACHE_DIR",
    "OMP_DISPLAY_ENV",
    "TORCH_DEVICE_BACKEND_AUTOLOAD",
)  # set by this tool itself


def collect() -> Dict[str, Any]:
    """Versions, host and processor. Knobs do not change it; `variables()` is kept apart."""
    import torch

    limit = quota.processors()
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "torch": str(torch.__version__),
        "torchvision": _version_of("torchvision"),
        "torch_npu": _version_of("torch_npu"),
        **{name: _version_of(name) for name in ENGINES},
        "machine": platform.machine(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "usable_cpus": len(processors.usable()),
        **({} if limit is None else {"cpu_quota": limit}),
        "cpu_capability": _capability(torch),
        "governor": text_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "host": platform.node(),
    }


def variables() -> Dict[str, str]:
    """The environment variables that matter to torch, as this process has them."""
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if (name in VARIABLES or name.startswith(VARIABLE_PREFIXES)) and name not in OURS
    }


def _capability(torch: Any) -> str:
    get = getattr(torch.backends.cpu, "get_cpu_capability", None)
    return str(get()) if get else ""


def _version_of(package: str) -> str:
    """The installed version without importing the package; "" where it is not installed."""
    from importlib import metadata

    for name in (package, package.replace("_", "-")):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _processor() -> str:
    for line in text_of("/proc/cpuinfo").splitlines():
        if line.lower().startswith(("model name", "cpu model", "hardware")):
            return line.split(":", 1)[1].strip()
    return platform.processor()
