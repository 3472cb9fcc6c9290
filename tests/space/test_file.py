"""Search space files: what is shipped loads; a mistake is answered with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.space_file import GOOD
from tuner.errors import UsageError
from tuner.space import file

SHIPPED = sorted((ROOT / "search_spaces").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_a_shipped_space_loads_and_holds_its_baseline(path: Path) -> None:
    space = file.load(path).space.validated()
    assert space.name == path.stem
    assert all(knob.default in knob.domain and knob.why for knob in space.knobs)
    assert all(rule.why and rule.why_zh for rule in space.rules)
    assert space.broken_rule(space.baseline()) is None
    assert all(space.broken_rule(space.preset(name)) is None for name in space.presets)


def test_a_good_file_becomes_knobs_presets_and_rules(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    space = file.load(tmp_path / "mine.yaml").space
    assert [(knob.name, knob.domain, knob.handler) for knob in space.knobs] == [
        ("threads", ("unset", 1, 2), "threads"),
        ("spin", ("unset", "on"), ""),
    ]
    assert space.presets == {"few": {"threads": 1}}
    assert space.broken_rule({"threads": 1, "spin": "on"}) == space.rules[0]
    assert space.broken_rule({"threads": 2, "spin": "on"}) is None


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("name: mine", "name: [mine", 2, "not valid YAML"),
        ("backend: cpu", "backend: tpu", 2, "Input should be 'cpu' or 'npu', not 'tpu'"),
        ("    why: how many\n", "", 4, "'knobs.threads.why' is missing"),
        ("default: unset\n    values: [1, 2]", "defualt: unset\n    values: [1]", 4, "is missing"),
        ("    values: [1, 2]", "    valves: 3\n    values: [1]", 8, "did you mean 'values'?"),
        ("default: unset\n    values: [1, 2]", "default: 1\n    values: [1]", 7, "must be unset"),
        ("apply: process", "apply: process\n    handler: nosuch", 7, "no handler 'nosuch'; there"),
        ("apply: process", "apply: someday", 6, "Input should be 'environment'"),
        ('        set: {SPIN: "1"}\n', "", 14, "sets no variable"),
        ("{threads: 1}\nrules", "{threds: 1}\nrules", 19, "there is no knob 'threds'; knobs here"),
        ("{threads: 1}\nrules", "{threads: 9}\nrules", 19, "cannot be 9; allowed: unset, 1, 2"),
        ("require: {spin: unset}", "require: {spin: off}", 22, "cannot be False; allowed: unset"),
    ],
)
def test_a_mistake_is_answered_with_file_line_and_what_is_allowed(
    old: str, new: str, line: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(UsageError) as raised:
        file.load(path)
    assert str(raised.value).startswith(f"{path}:{line}: ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("TASK_QUEUE_ENABLE", "abc", "0, 1, 2"),
        ("TASK_QUEUE_ENABLE", "", "0, 1, 2"),
        ("TASK_QUEUE_ENABLE", "1.5", "0, 1, 2"),
        ("TASK_QUEUE_ENABLE", "7", "0, 1, 2"),
        ("ASCEND_GLOBAL_LOG_LEVEL", "9", "0, 1, 2, 3, 4"),
        ("CPU_AFFINITY_CONF", "banana", "0, 1 or 2, then parts like npu0:0-7"),
        ("CPU_AFFINITY_CONF", "9", "0, 1 or 2, then parts like npu0:0-7"),
        ("MULTI_STREAM_MEMORY_REUSE", "9", "0, 1, 2, 3"),
        ("PYTORCH_NPU_ALLOC_CONF", "yes", "pairs like expandable_segments:True"),
        ("OMP_NUM_THREADS", "0", "a count of 1 or more"),
    ],
)
def test_a_value_that_means_nothing_to_its_variable_is_refused(
    name: str, value: str, allowed: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace('{SPIN: "1"}', f'{{{name}: "{value}"}}'))
    with pytest.raises(UsageError) as raised:
        file.load(path)
    start = f"{path}:15: {name} cannot be {value!r}; allowed: {allowed}"
    assert str(raised.value).startswith(start)


def test_a_rule_that_excludes_everything_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    rule = "  - when: {}\n    require: {threads: unset, spin: unset}\n    why: nothing goes\n"
    path.write_text(GOOD + rule)
    with pytest.raises(UsageError, match=r"exclude every configuration.*nothing goes"):
        file.load(path).space.validated()


def test_a_rule_that_forbids_the_baseline_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD + "  - when: {}\n    require: {threads: 1}\n    why: one only\n")
    with pytest.raises(UsageError, match="forbids the baseline itself"):
        file.load(path).space.validated()


def test_an_impossible_date_is_no_trace(tmp_path: Path) -> None:
    (tmp_path / "dated.yaml").write_text("name: 2024-99-99")
    with pytest.raises(UsageError, match=r"dated\.yaml: not valid YAML: month"):
        file.load(tmp_path / "dated.yaml")


def test_an_empty_file_is_no_search_space(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("")
    with pytest.raises(UsageError, match=r"mine.yaml:1: a search space is a mapping"):
        file.load(tmp_path / "mine.yaml")


def test_a_name_that_is_not_shipped_is_answered_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"no search space 'gpu'; shipped: cpu"):
        file.find("gpu")


@pytest.mark.parametrize("own", [["cpu"], []], ids=["a wheel", "a wheel without its files"])
def test_another_packages_folder_of_that_name_is_not_read(
    own: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, foreign = tmp_path / "tuner" / "search_spaces", tmp_path / "search_spaces"
    foreign.mkdir()
    for path in [*(inside / f"{name}.yaml" for name in own), foreign / "cpu.yaml"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(GOOD)
    monkeypatch.setattr(file, "PACKAGE", tmp_path / "tuner")
    read = [file.find(name) for name in file.shipped()]
    assert read == [inside / f"{name}.yaml" for name in own]


def test_a_clone_reads_the_folder_beside_its_package() -> None:
    assert file.find("cpu") in SHIPPED
