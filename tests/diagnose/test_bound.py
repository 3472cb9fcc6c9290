"""What bounds a call, from literal times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.diagnose.bound import Shares, Times, diagnose_cpu, diagnose_device, needs, pointers
from tuner.space import file
from tuner.space.file import LoadedFile
from tuner.space.model import Configuration, Value
from tuner.space.schema import Need

CPU = file.load(file.find("cpu"))
NPU = file.load(file.find("npu"))


def settings(
    loaded: LoadedFile, needed: list[Need], configuration: Configuration, **read_back: Value
) -> list[str]:
    """What is pointed to, where a configuration is run."""
    space = loaded.space
    full = {**space.baseline(), **configuration}
    return [p.setting for p in pointers(needed, loaded.entries, space, full, read_back)]


def test_a_device_that_idles_is_dispatch_bound_and_names_the_bound() -> None:
    diagnosis = diagnose_device(Times(10.0, 9.5, 2.5, "kernel_details.csv"), Shares())
    assert (diagnosis.kind, diagnosis.share, diagnosis.at_most) == ("dispatch-bound", 0.75, 4.0)
    assert diagnosis.source == "kernel_details.csv"


def test_a_device_that_works_all_the_time_is_device_bound() -> None:
    diagnosis = diagnose_device(Times(10.0, 1.0, 9.0, "device events"), Shares())
    assert (diagnosis.kind, diagnosis.share, diagnosis.at_most) == ("device-bound", 0.1, None)


def test_events_that_exceed_the_call_are_no_negative_idling() -> None:
    diagnosis = diagnose_device(Times(10.0, 1.0, 10.5, "device events"), Shares())
    assert (diagnosis.kind, diagnosis.share) == ("device-bound", 0.0)


def test_copies_that_take_longer_than_the_call_are_copy_bound() -> None:
    times = Times(10.0, 9.0, 1.0, "device events", copy_in_ms=25.0, copy_out_ms=5.0)
    diagnosis = diagnose_device(times, Shares())
    assert (diagnosis.kind, diagnosis.share, diagnosis.at_most) == ("copy-bound", 0.75, 4.0)


def test_the_traces_own_share_counts_only_where_the_devices_time_is_unknown() -> None:
    shares = Shares(idle_in_trace=0.6, idle_source="step_trace_time.csv")
    assert diagnose_device(Times(10.0, 9.0, 9.0, "x"), shares).kind == "device-bound"
    diagnosis = diagnose_device(Times(10.0, 9.0), shares)
    assert (diagnosis.kind, diagnosis.source) == ("dispatch-bound", "step_trace_time.csv")


@pytest.mark.parametrize(("returned_ms", "kind"), [(9.9, "dispatch-bound"), (0.5, "device-bound")])
def test_without_any_device_time_the_calls_return_decides(returned_ms: float, kind: str) -> None:
    diagnosis = diagnose_device(Times(10.0, returned_ms), Shares())
    assert (diagnosis.kind, diagnosis.source, diagnosis.at_most) == (kind, "", None)


def test_what_a_call_needs_points_to_the_knobs_of_the_search_space() -> None:
    assert settings(NPU, ["dispatch-bound"], {}, jit_compile="off") == [
        "task_queue=2", "internal_format=off", "execution=npugraph", "batch_size",
    ]  # fmt: skip
    assert settings(CPU, ["page-faults", "operator-bound"], {}) == [
        "allocator=glibc-keep", "memory_format=channels_last", "execution=inductor-freezing",
        "execution=inductor-max-autotune", "execution=onnxruntime", "execution=openvino", "threads",
    ]  # fmt: skip


def test_a_knob_that_is_set_already_is_not_pointed_to() -> None:
    tuned: Configuration = {"task_queue": 2, "jit_compile": "on", "internal_format": "off"}
    assert settings(NPU, ["device-bound"], tuned) == []
    assert settings(NPU, ["dispatch-bound"], {**tuned, "execution": "npugraph"}) == [
        "jit_compile=off", "batch_size",
    ]  # fmt: skip


def test_a_value_that_the_space_lost_is_not_pointed_to() -> None:
    knobs = [replace(knob, domain=("unset",)) for knob in NPU.space.knobs]
    narrow = replace(NPU, space=replace(NPU.space, knobs=tuple(knobs)))
    assert settings(narrow, ["dispatch-bound"], {}) == []


def test_conversions_and_page_faults_are_needs_of_their_own() -> None:
    assert needs("device-bound", Shares(conversions=0.2)) == ["conversions", "device-bound"]
    assert needs("dispatch-bound", Shares(conversions=0.2)) == ["dispatch-bound"]
    assert needs("operator-bound", Shares(kernel=0.3)) == ["page-faults", "operator-bound"]


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
    diagnosis = diagnose_cpu(shares)
    assert (diagnosis.kind, diagnosis.share) == (kind, share)
