"""What is timed as one call."""

from __future__ import annotations

import pytest

from tuner.worker.timed_region import timed_region
from tuner.worker.workload import Workload


def test_an_unknown_region_is_not_measured_as_another() -> None:
    workload = Workload(None, (), {}, lambda: None)
    with pytest.raises(ValueError, match="no timed region 'all'"):
        timed_region(workload, "all", "cpu")
