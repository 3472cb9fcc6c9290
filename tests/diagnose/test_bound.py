"""What bounds a call, from literal times."""

from __future__ import annotations

import pytest

from tuner.diagnose.bound import Diagnosis, Shares, Times, diagnose_cpu, diagnose_device
from tuner.space.model import Value

NPU: dict[str, Value] = {"task_queue": 1, "jit_compile": "on", "internal_format": "unset"}
CPU: dict[str, Value] = {"execution": "unset", "memory_format": "unset", "allocator": "unset"}


def settings(found: Diagnosis) -> list[str]:
    return [one.setting for one in found.pointers]


def test_a_device_that_idles_is_dispatch_bound_and_names_the_bound() -> None:
    found = diagnose_device(Times(10.0, 9.5, 2.5, "kernel_details.csv"), Shares(), NPU)
    assert (found.kind, found.share, found.at_most) == ("dispatch-bound", 0.75, 4.0)
    assert found.source == "kernel_details.csv"
    assert settings(found) == ["task_queue=2", "jit_compile=off", "internal_format=off"]


def test_a_device_that_works_all_the_time_is_device_bound() -> None:
    found = diagnose_device(Times(10.0, 1.0, 9.0, "device events"), Shares(), NPU)
    assert (found.kind, found.share, found.at_most) == ("device-bound", 0.1, None)


def test_events_that_exceed_the_call_are_no_negative_idling() -> None:
    found = diagnose_device(Times(10.0, 1.0, 10.5, "device events"), Shares(), NPU)
    assert (found.kind, found.share) == ("device-bound", 0.0)


def test_copies_that_take_longer_than_the_call_are_copy_bound() -> None:
    times = Times(10.0, 9.0, 1.0, "device events", copy_in_ms=25.0, copy_out_ms=5.0)
    found = diagnose_device(times, Shares(), NPU)
    assert (found.kind, found.share, found.at_most) == ("copy-bound", 0.75, 4.0)


def test_the_traces_own_share_counts_only_where_the_devices_time_is_unknown() -> None:
    shares = Shares(idle_in_trace=0.6, idle_source="step_trace_time.csv")
    assert diagnose_device(Times(10.0, 9.0, 9.0, "x"), shares, NPU).kind == "device-bound"
    found = diagnose_device(Times(10.0, 9.0), shares, NPU)
    assert (found.kind, found.source) == ("dispatch-bound", "step_trace_time.csv")


@pytest.mark.parametrize(("returned_ms", "kind"), [(9.9, "dispatch-bound"), (0.5, "device-bound")])
def test_without_any_device_time_the_calls_return_decides(returned_ms: float, kind: str) -> None:
    found = diagnose_device(Times(10.0, returned_ms), Shares(), NPU)
    assert (found.kind, found.source, found.at_most) == (kind, "", None)


def test_a_knob_that_is_set_already_is_not_pointed_to() -> None:
    set_already: dict[str, Value] = {"task_queue": 2, "jit_compile": "off", "batch_size": ""}
    found = diagnose_device(Times(10.0, 1.0, 1.0, "x"), Shares(), set_already)
    assert settings(found) == ["batch_size"]


def test_many_conversions_point_to_the_internal_format() -> None:
    found = diagnose_device(Times(10.0, 1.0, 9.0, "x"), Shares(conversions=0.2), NPU)
    assert settings(found)[0] == "internal_format=off"


@pytest.mark.parametrize(
    ("shares", "kind", "share"),
    [
        (Shares(outside=0.4, layout=0.1), "overhead-bound", 0.4),
        (Shares(outside=0.1, layout=0.6), "copy-bound", 0.6),
        (Shares(outside=0.1, layout=0.2), "operator-bound", 0.9),
    ],
)
def test_on_the_cpu_the_largest_cost_names_the_kind(
    shares: Shares, kind: str, share: float
) -> None:
    found = diagnose_cpu(shares, CPU)
    assert (found.kind, found.share) == (kind, share)


def test_time_in_the_kernel_points_to_the_allocator() -> None:
    assert settings(diagnose_cpu(Shares(outside=0.1, kernel=0.3), CPU))[0] == (
        "allocator=glibc-keep"
    )
