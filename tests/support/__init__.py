"""What several tests share."""

import os
from pathlib import Path

DATA = Path(__file__).parent.parent / "data"
ROOT = Path(__file__).parent.parent.parent
TORCH_NPU = Path(os.environ.get("NPU_TUNE_TORCH_NPU", ROOT / ".torch_npu"))
