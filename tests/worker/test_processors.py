"""How many processors a process may use: by affinity before torch binds it, and by its cgroups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuner.worker import processors, quota, witnesses

V2 = "31 23 0:28 / {root} rw,relatime - cgroup2 cgroup2 rw\n"
V1 = "32 31 0:29 {mounted} {root} rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"


@pytest.fixture(autouse=True)
def _counted_anew() -> Iterator[None]:
    """What another test has counted is forgotten."""
    processors.usable.cache_clear()
    yield
    processors.usable.cache_clear()


def host(root: Path, groups: str, mounts: str, files: dict[str, str]) -> str:
    """A root folder with what the kernel tells of a process and its cgroups."""
    for name, text in {
        "proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **files,
    }.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return str(root)


def test_the_processors_are_those_of_the_start_whatever_is_bound_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    masks = [{0, 1, 2, 3}, {0}]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: masks.pop(0))
    assert [sorted(processors.usable()) for _ in range(2)] == [[0, 1, 2, 3], [0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("variables", "masks", "expected"),
    [
        ({"OMP_PROC_BIND": "true"}, {"1": {0}}, {0, 1, 2, 3}),  # the others are not there yet
        ({"OMP_PROC_BIND": "false"}, {"1": {0}}, {0}),  # a knob's doing
        ({"GOMP_CPU_AFFINITY": "0-1"}, {"1": {0}, "2": {1}}, {0, 1}),
        ({}, {"1": {0}}, {0}),
    ],
)
def test_a_bound_main_thread_alone_does_not_say_where_a_run_works(
    variables: dict[str, str],
    masks: dict[str, set[int]],
    expected: set[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in processors.BINDING:
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    processors.usable()
    monkeypatch.setattr(os, "listdir", lambda _: list(masks))
    monkeypatch.setattr(os, "sched_getaffinity", lambda task: masks[str(task)])
    assert witnesses.usable_cpus() == expected


def test_the_smallest_quota_of_a_group_and_its_parents_counts(tmp_path: Path) -> None:
    root = host(
        tmp_path, "0::/pod/app", V2.format(root="/sys/fs/cgroup"),
        {
            "sys/fs/cgroup/pod/app/cpu.max": "max 100000",
            "sys/fs/cgroup/pod/cpu.max": "150000 100000",
            "sys/fs/cgroup/pod/cpu.stat": "nr_throttled 7\nthrottled_usec 2500000",
            "sys/fs/cgroup/pod/app/cpu.stat": "nr_throttled 0\nthrottled_usec 0",
        },
    )  # fmt: skip
    assert (quota.processors(root), quota.throttled_s(root)) == (1.5, 2.5)


def test_a_quota_of_the_first_version_is_read_inside_and_outside_a_container(
    tmp_path: Path,
) -> None:
    files = {"cpu.cfs_quota_us": "200000", "cpu.cfs_period_us": "100000"}
    files["cpu.stat"] = "nr_throttled 3\nthrottled_time 500000000"
    inside = {f"sys/fs/cgroup/cpu/{name}": text for name, text in files.items()}
    mount = V1.format(mounted="/docker/1f", root="/sys/fs/cgroup/cpu")
    root = host(tmp_path / "in", "4:cpu,cpuacct:/docker/1f", mount, inside)
    assert (quota.processors(root), quota.throttled_s(root)) == (2.0, 0.5)
    outside = {f"sys/fs/cgroup/cpu/docker/1f/{name}": text for name, text in files.items()}
    mount = V1.format(mounted="/", root="/sys/fs/cgroup/cpu")
    root = host(tmp_path / "out", "4:cpu,cpuacct:/docker/1f", mount, outside)
    assert (quota.processors(root), quota.throttled_s(root)) == (2.0, 0.5)


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/", {}),
        ("0::/", {"sys/fs/cgroup/cpu.max": "max 100000"}),
        ("0::/../elsewhere", {"sys/fs/cgroup/cpu.max": "max"}),
        ("nonsense", {"sys/fs/cgroup/cpu.max": "x y"}),
    ],
)
def test_without_a_quota_there_is_none(groups: str, files: dict[str, str], tmp_path: Path) -> None:
    root = host(tmp_path, groups, V2.format(root="/sys/fs/cgroup"), files)
    assert (quota.processors(root), quota.throttled_s(root)) == (None, None)
