"""The command line: words, exit codes, and one real study from end to end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import tuner
from tests.support import DATA, ROOT
from tuner.cli.main import main
from tuner.runs import lease
from tuner.runs.store import Store
from tuner.space import file

REFERENCES = ("docs/reference.md", "docs/reference.zh-CN.md")
SHARED = ("study", "verdict", "recommendation", "configuration", "evidence", "environment")
TINY = f"{DATA / 'models' / 'tiny.py'}"


def invoke(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """The command as a user runs it, in a folder."""
    command = [sys.executable, "-c", "from tuner.cli.main import main; main()", *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help_and_is_in_both_readmes(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    for readme in ("README.md", "README.zh-CN.md"):
        assert f"npu-tune {name}" in (ROOT / readme).read_text(), readme


@pytest.mark.parametrize("language", ["", ".zh-CN"])
def test_every_option_is_in_the_reference(language: str) -> None:
    names = (f"README{language}.md", f"docs/reference{language}.md")
    text = "".join((ROOT / name).read_text() for name in names)
    options = {o for c in main.commands.values() for p in c.params for o in p.opts if o[:2] == "--"}
    assert {option for option in options if option not in text} == set()


@pytest.mark.parametrize("reference", REFERENCES)
def test_the_search_space_in_the_reference_loads(reference: str, tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", (ROOT / reference).read_text(), re.DOTALL)
    assert example is not None
    path = tmp_path / "mine.yaml"
    path.write_text(example[1])
    assert [knob.name for knob in file.load(path).space.knobs] == [
        "big_pages",
        "batch_size",
    ]


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", *REFERENCES])
def test_every_relative_link_exists(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    assert links
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ([], 2, "--model is missing"),
        (["--trials", "0"], 2, "trials (--trials) 0: must be a whole number of at least 1"),
        (["--set", "threads"], 2, "reads KNOB=VALUE"),
        (["--input", "3y4"], 2, "reads like 1x3x224x224"),
        (["--input", "1x3:float31"], 2, "no dtype 'float31'"),
        (["--cpus", "999"], 2, "usable on this host"),
        (["--memory-limit", "lots"], 2, "reads like 4GiB"),
        (["--max-latency-ms", "5"], 2, "objective (--objective) throughput"),
        (["--space", "nosuch"], 2, "no search space 'nosuch'; shipped: cpu"),
        (["--confirm", "²"], 2, "confirm (--confirm) '²': must be auto, off or a number of pairs"),
        (["--confirm", "maybe"], 2, "confirm (--confirm) 'maybe': must be auto"),
        (
            ["--confirm", "off", "--ablate"],
            2,
            "ablate (--ablate) explains a confirmed win: it needs",
        ),
        (["--study", "../x"], 2, "--study ../x"),
        (["--python", "/nonexistent"], 4, "there is no such interpreter"),
        (["--storage", "nonsense"], 8, "check the URL"),
    ],
)
def test_a_wrong_option_is_one_line_and_a_code(
    args: list[str], code: int, message: str, tmp_path: Path
) -> None:
    model = ["--model", "mobilenet_v2"] if args else ["--quiet"]
    done = invoke(tmp_path, *model, *args)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["show", "export", "profile"])
def test_a_missing_study_is_named(command: str, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    Store(f"sqlite:///{tmp_path}/results/npu-tune.db").close()
    done = invoke(tmp_path, command, "nosuch")
    assert done.returncode == 7
    assert "there is no study 'nosuch'" in done.stderr


def test_list_without_studies_says_how_to_begin_and_makes_nothing(tmp_path: Path) -> None:
    done = invoke(tmp_path, "list")
    assert (done.returncode, list(tmp_path.iterdir())) == (0, [])
    assert "npu-tune --model mobilenet_v2" in done.stdout


READERS = [
    ["show", "s"],
    ["export", "s"],
    ["report", "s"],
    ["compare", "s", "t"],
    ["rerun", "s", "--trial", "0"],
    ["profile", "s"],
    ["list"],
    ["--resume"],
]


@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
def test_a_command_that_reads_names_a_missing_database_and_makes_none(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, [*command, "--storage", "sqlite:///deep/typo.db"])
    assert done.exit_code == 7
    assert "there is no database sqlite:///deep/typo.db: check --storage and" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_interpreter_without_torch_is_an_unfit_environment(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    done = invoke(tmp_path, "--model", f"{TINY}:conv", "--python", str(bare / "bin" / "python"))
    assert done.returncode == 4
    assert "has no usable torch" in done.stderr


@pytest.mark.usefixtures("torchvision_python")
def test_an_unknown_model_gets_the_nearest_names(tmp_path: Path) -> None:
    done = invoke(tmp_path, "--model", "mobilnet_v2")
    assert done.returncode == 2
    assert "nearest: mobilenet_v2" in done.stderr
    assert not (tmp_path / "results" / ".work").exists()


@pytest.mark.usefixtures("torch_python")
def test_a_study_that_won_nothing_has_nothing_to_explain(tmp_path: Path) -> None:
    begun = ["--model", f"{TINY}:conv", "--trials", "1", "--study", "one", "--confirm", "off"]
    assert invoke(tmp_path, *begun).returncode == 0
    resumed = ["--resume", "--study", "one", "--ablate"]
    done = invoke(tmp_path, *resumed)
    assert done.returncode == 2
    assert "it needs confirm (--confirm) auto or a number of pairs" in done.stderr
    done = invoke(tmp_path, *resumed, "--confirm", "auto", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["ablation"], found["minimal"]) == ([], None)
    # Without a confirmation there is nothing to explain any more.
    assert invoke(tmp_path, "--resume", "--study", "one", "--confirm", "off").returncode == 0


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished study of the tiny convnet."""
    folder = tmp_path_factory.mktemp("studied")
    done = invoke(
        folder, "--model", f"{TINY}:conv", "--trials", "5", "--study", "tiny", "--json",
        "--confirm", "6",
        "--set", "execution=torchscript",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder / "stdout.json").write_text(done.stdout)
    return folder


@pytest.mark.usefixtures("torch_python")
class TestAFinishedStudy:
    """What a real study of five trials leaves."""

    def test_it_prints_and_writes_the_same(self, studied: Path) -> None:
        printed = json.loads((studied / "stdout.json").read_text())
        written = yaml.safe_load((studied / "results" / "tiny.yaml").read_text())
        assert printed["file"] == "results/tiny.yaml"
        assert {name: printed[name] for name in SHARED} == {name: written[name] for name in SHARED}
        assert printed["evidence"]["pairs"] == 6

    def test_it_loads_back_through_the_library(self, studied: Path) -> None:
        best = tuner.load_best(studied / "results" / "tiny.yaml")
        assert best.study == "tiny"
        assert best.evidence.output_check == "passed"
        assert best.evidence.interval is not None

    def test_it_leaves_no_folder(self, studied: Path) -> None:
        names = sorted(p.name for p in (studied / "results").iterdir())
        assert names == ["npu-tune.db", "tiny.yaml"]

    def test_show_has_a_row_for_each_configuration(self, studied: Path) -> None:
        shown = invoke(studied, "show", "tiny").stdout
        assert "defaults" in shown
        assert "execution=torchscript" in shown
        assert "pairs of fresh runs" in shown

    def test_it_is_shown_in_chinese(self, studied: Path) -> None:
        assert "基线" in invoke(studied, "show", "tiny", "--lang", "zh").stdout

    def test_show_of_a_trial_has_phases_read_back_and_the_command(self, studied: Path) -> None:
        shown = invoke(studied, "show", "tiny", "--trial", "1").stdout
        assert "interpreter" in shown
        assert "read back: execution" in shown
        assert "npu-tune rerun tiny --trial 1" in shown

    def test_rerun_repeats_a_trial_outside_the_record(self, studied: Path) -> None:
        before = invoke(studied, "show", "tiny").stdout
        done = invoke(studied, "rerun", "tiny", "--trial", "1")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-2] == "outcome: ok"
        assert done.stdout.splitlines()[-1].startswith("latency: ")
        assert invoke(studied, "show", "tiny").stdout == before

    def test_profile_says_what_bounds_a_call_and_leaves_a_trace(self, studied: Path) -> None:
        done = invoke(studied, "profile", "tiny", "--baseline", "--json", "-o", "a b/trace.d")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert (found["trial"], found["folder"]) == (0, "a b/trace.d")
        kinds = ("operator-bound", "overhead-bound", "copy-bound")
        assert found["diagnosis"]["kind"] in kinds
        names = [one["name"] for one in found["host_operators"]]
        assert any(name.startswith("aten::") for name in names)
        (trace,) = (studied / "a b" / "trace.d").iterdir()
        assert json.loads(trace.read_text())["traceEvents"]

    def test_profile_takes_one_of_trial_best_and_baseline(self, studied: Path) -> None:
        done = invoke(studied, "profile", "tiny", "--best", "--baseline")
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert "give one of them" in done.stderr

    def test_profile_of_a_trial_that_is_not_there_names_those_that_are(self, studied: Path) -> None:
        done = invoke(studied, "profile", "tiny", "--trial", "99")
        assert done.returncode == 7
        assert "no recorded trial 99; it has 5, from 0 to 4" in done.stderr

    def test_rerun_keeps_off_a_device_that_is_being_measured(self, studied: Path) -> None:
        with lease.held("CPU", "first", None, lambda: False):
            done = invoke(studied, "rerun", "tiny", "--trial", "1", "--no-wait")
        assert done.returncode == 7
        assert "measured by study first" in done.stderr

    def test_the_same_name_again_is_a_conflict(self, studied: Path) -> None:
        done = invoke(studied, "--model", f"{TINY}:conv", "--study", "tiny")
        assert done.returncode == 7
        assert "--resume --study tiny" in done.stderr

    def test_resume_with_another_option_is_refused(self, studied: Path) -> None:
        done = invoke(studied, "--resume", "--study", "tiny", "--seed", "5")
        assert done.returncode == 2
        assert "begun with seed 0, not 5" in done.stderr

    def test_a_finished_study_is_extended(self, studied: Path) -> None:
        more = ["--trials", "6", "--confirm", "off", "--quiet"]
        done = invoke(studied, "--resume", "--study", "tiny", *more)
        assert done.returncode == 0, done.stderr
        assert "6 of 6" in invoke(studied, "list").stdout
