"""What a host lacks is left out of the space with a line that says why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tuner.errors import UsageError
from tuner.space import file, narrowing
from tuner.space.file import LoadedFile
from tuner.space.model import SearchSpace
from tuner.study.notes import of_left_out
from tuner.worker.facts import ProbeFacts

FILE = """\
name: mine
backend: cpu
knobs:
  execution:
    why: how
    apply: model
    default: unset
    values:
      - inductor
      - value: torchscript
        needs: {torch: "<2.10"}
  threads:
    why: how many
    apply: process
    default: unset
    values: [1, 2, 4]
    at_most: cpus
  allocator:
    why: memory
    apply: environment
    default: unset
    values:
      - value: tcmalloc
        set: {LD_PRELOAD: "{library}"}
        shared_library: libtcmalloc.so.4
  half:
    why: fewer bits
    apply: environment
    default: unset
    values:
      - value: "on"
        set: {HALF: "1"}
    changes_numbers: lossy
"""
FINGERPRINT = {"usable_cpus": 2, "torch": "2.13.0+cpu"}
FACTS = ProbeFacts(
    "cpu",
    missing={"execution": {"inductor": "there is no compiler", "torchscript": ""}},
    libraries={"libtcmalloc.so.4": "/usr/lib/libtcmalloc.so.4"},
    preload="/opt/theirs.so",
)


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedFile:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    return file.load(path)


@pytest.fixture
def narrowed(loaded: LoadedFile) -> SearchSpace:
    return narrowing.narrowed(loaded, FACTS, FINGERPRINT, allow_lossy=False)


def test_the_worker_is_asked_for_values_and_libraries(loaded: LoadedFile) -> None:
    request = narrowing.request(loaded)
    assert request.values == {
        "execution": ["inductor", "torchscript"],
        "threads": [1, 2, 4],
        "allocator": ["tcmalloc"],
    }
    assert request.libraries == ["libtcmalloc.so.4"]


def test_each_value_that_is_not_here_has_its_reason(narrowed: SearchSpace) -> None:
    assert tuple(of_left_out(narrowed)) == (
        "left out: execution=inductor: there is no compiler",
        "left out: execution=torchscript: it needs torch <2.10, here is 2.13.0",
        "left out: threads=4: only 2 processors are usable",
        "left out: half=on: it changes the numbers: add --allow-lossy to search it",
    )


def test_more_threads_than_a_cgroups_quota_allows_are_left_out(loaded: LoadedFile) -> None:
    host = {**FINGERPRINT, "usable_cpus": 64, "cpu_quota": 1.5}
    lines = list(of_left_out(narrowing.narrowed(loaded, FACTS, host, allow_lossy=False)))
    assert lines[2] == (
        "left out: threads=4: a cgroup's quota gives the time of 1.5 processors: more threads are "
        "throttled"
    )


def test_the_users_own_settings_in_a_list_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "lists.yaml"
    path.write_text(
        "name: lists\nbackend: cpu\nknobs:\n  arenas:\n    why: x\n    apply: environment\n"
        "    default: unset\n    values: [{value: few, set: {MALLOC_CONF: 'narenas:1'}}]\n"
    )
    facts = ProbeFacts("cpu", settings={"MALLOC_CONF": "narenas:8,background_thread:true"})
    space = narrowing.narrowed(file.load(path), facts, FINGERPRINT, allow_lossy=False)
    assert space.knobs[0].variables["few"] == {"MALLOC_CONF": "background_thread:true,narenas:1"}


def test_a_lossy_knob_is_searched_when_allowed(loaded: LoadedFile) -> None:
    space = narrowing.narrowed(loaded, FACTS, FINGERPRINT, allow_lossy=True)
    half = space.knob("half")
    assert half is not None
    assert half.domain == ("unset", "on")


def test_a_library_is_preloaded_before_what_the_user_preloads(narrowed: SearchSpace) -> None:
    allocator = narrowed.knob("allocator")
    assert allocator is not None
    assert allocator.variables["tcmalloc"] == {
        "LD_PRELOAD": "/usr/lib/libtcmalloc.so.4:/opt/theirs.so"
    }


def test_a_preset_that_a_rule_forbids_once_a_knob_is_pinned_is_left_out() -> None:
    space = narrowing.pin(file.load(file.find("npu")).space, "execution", "npugraph")
    assert set(space.presets) == {"article", "vendor", "graph"}  # as files they name no execution
    space = narrowing.without_broken_presets(space)
    assert set(space.presets) == {"graph"}
    why = "only aclnn operators can be captured, and not at task queue level 2 (NPUGraph.cpp)"
    assert f"left out: preset article: {why}" in list(of_left_out(space))


def test_a_value_that_was_left_out_cannot_be_pinned_and_why_is_said(loaded: LoadedFile) -> None:
    space = narrowing.narrowed(loaded, FACTS, FINGERPRINT, False)
    text = r"--set execution=inductor: there is no compiler; allowed: unset"
    with pytest.raises(UsageError, match=text):
        narrowing.pin(space, "execution", "inductor")


def test_a_library_that_does_not_load_is_left_out_with_the_loaders_line(loaded: LoadedFile) -> None:
    faults = {"libtcmalloc.so.4": "libtcmalloc.so.4: wrong ELF class"}
    space = narrowing.narrowed(loaded, replace(FACTS, preload_faults=faults), FINGERPRINT, False)
    line = "left out: allocator=tcmalloc: it does not load: libtcmalloc.so.4: wrong ELF class"
    assert line in list(of_left_out(space))
