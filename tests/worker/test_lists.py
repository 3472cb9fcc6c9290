"""Variables that are lists: a knob's value is added to the user's own."""

from __future__ import annotations

import pytest

from tuner.worker.applied import lists
from tuner.worker.knobs import npu_allocator

NPU = "PYTORCH_NPU_ALLOC_CONF"


@pytest.mark.parametrize(
    ("name", "ours", "users", "expected"),
    [
        (NPU, "expandable_segments:True", "", "expandable_segments:True"),
        (
            NPU, "expandable_segments:True", "base_addr_aligned_kb:0,expandable_segments:False",
            "base_addr_aligned_kb:0,expandable_segments:True",
        ),
        (
            NPU, "max_split_size_mb:250", "roundup:[256:1,512:2], page_size:1g,",
            "roundup:[256:1,512:2],page_size:1g,max_split_size_mb:250",
        ),
        ("MALLOC_CONF", "narenas:1", "background_thread:true", "background_thread:true,narenas:1"),
        ("GLIBC_TUNABLES", "glibc.a=1", "glibc.b=2:glibc.a=3", "glibc.b=2:glibc.a=1"),
        ("LD_PRELOAD", "/o/j.so", "/t/a.so /t/b.so:/o/j.so", "/o/j.so:/t/a.so:/t/b.so"),
        ("OMP_NUM_THREADS", "1", "2", "1"),
    ],
)  # fmt: skip
def test_a_list_is_added_to_and_ours_wins(name: str, ours: str, users: str, expected: str) -> None:
    assert lists.added(name, ours, users) == expected
    assert lists.holds(name, expected, ours)
    assert not lists.holds(name, "", ours)


def test_the_users_lists_are_told_as_they_are() -> None:
    environment = {NPU: "page_size:1g", "LD_PRELOAD": "/t/a.so", "MALLOC_CONF": "", "A": "1"}
    assert lists.users(environment) == {NPU: "page_size:1g", "LD_PRELOAD": "/t/a.so"}


@pytest.mark.parametrize(
    ("value", "variables", "why"),
    [
        ("expandable", {}, ""),
        ("expandable", {NPU: "page_size:1g"}, ""),
        (
            "expandable", {NPU: "garbage_collection_threshold:0.8"},
            f"{NPU}=garbage_collection_threshold:0.8 is set in the environment: "
            "expandable_segments cannot be beside it",
        ),
        (
            "split-250", {NPU: "expandable_segments:True"},
            f"{NPU}=expandable_segments:True is set in the environment: max_split_size_mb "
            "cannot be beside it",
        ),
        ("split-250", {NPU: "expandable_segments:False,max_split_size_mb:9"}, ""),
        (
            "split-250", {"PYTORCH_ALLOC_CONF": "a:1"},
            f"PYTORCH_ALLOC_CONF=a:1 is set in the environment: torch_npu refuses {NPU} beside it",
        ),
    ],
)  # fmt: skip
def test_only_settings_that_exclude_each_other_keep_a_value_out(
    value: str, variables: dict[str, str], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (NPU, npu_allocator.OTHER):
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    assert npu_allocator.missing(value) == why
