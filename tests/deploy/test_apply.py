"""A best configuration in somebody else's program: what is set, refused, and read back."""

from __future__ import annotations

import ast
import json
import os
import signal
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support import ROOT
from tests.support.command import npu_tune
from tests.support.programs import CONFIGURATION, KEEP, RUN, VARIABLES, best, ran, written
from tests.support.runs import recorded, study_record
from tuner.deploy import apply
from tuner.deploy.apply import Settings, settings_of
from tuner.errors import UnfitEnvironmentError, UsageError
from tuner.options import Setup
from tuner.runs.store import Store
from tuner.space.model import Configuration
from tuner.worker.applied import after_import


def test_each_knob_goes_where_it_takes_effect() -> None:
    configuration: Configuration = {
        "execution": "inductor-freezing",
        "threads": 2,
        "openmp_wait": "active",
        "allocator": "glibc-keep",
        "warmup": 17,
    }
    held = {"OMP_WAIT_POLICY": "ACTIVE", **KEEP}
    settings = settings_of(best(configuration, held), "b.yaml")
    assert settings.variables == held
    assert settings.in_process == (("threads", 2, "threads"),)
    ((name, value, code),) = settings.in_code
    assert (name, value, code.splitlines()[-1]) == (
        "execution", "inductor-freezing", "model = torch.compile(model, dynamic=False)",
    )  # fmt: skip


def test_an_engine_is_for_the_programs_code_with_where_that_comes_from() -> None:
    ((_, _, code),) = settings_of(best({"execution": "onnxruntime"}, {}), "b.yaml").in_code
    assert code.splitlines() == [
        "# behind_engine: npu-tune export b.yaml --format python writes a module with it",
        "model = behind_engine(model, inputs)",
    ]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "aotinductor"])
def test_a_module_for_an_engine_is_whole_and_imports_nothing_of_ours(
    engine: str, tmp_path: Path
) -> None:
    text = written("python", {"execution": engine}, {}, tmp_path / "tuned.py").read_text()
    tree = ast.parse(text)
    named = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert len(named) == len(set(named))
    assert {"digest", "exported", "export_onnx", "load", "call", "behind_engine"} <= set(named)
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not any(node.level or str(node.module).startswith("tuner") for node in froms)
    assert "type: ignore" not in text


def test_the_npu_space_with_the_knob_is_found() -> None:
    settings = settings_of(best({"hf32": "conv", "jit_compile": "off"}, {}, "npu"), "b.yaml")
    assert [name for name, _, _ in settings.in_process] == ["hf32", "jit_compile"]


@pytest.mark.parametrize(
    ("configuration", "variables", "message"),
    [
        ({"surprise": 1}, {}, "configuration: there is no knob 'surprise'; of your own"),
        ({"threads": 3}, {}, "threads cannot be 3; allowed: 1, 2, 4, 8, 16, 32"),
        ({"threads": True}, {}, "threads cannot be True"),
        ({"threads": "unset"}, {}, "threads cannot be 'unset'"),
        ({"warmup": 0}, {}, "warmup cannot be 0"),
        ({"warmup": "a"}, {}, "warmup cannot be 'a'"),
        ({}, {"LD_PRELOAD": "/tmp/evil.so"}, "no knob of the configuration sets 'LD_PRELOAD'"),
        (
            {"openmp_wait": "active"},
            {"OMP_WAIT_POLICY": "PASSIVE"},
            "OMP_WAIT_POLICY cannot be 'PASSIVE'; the configuration means 'ACTIVE'",
        ),
    ],
)
def test_what_no_known_knob_owns_is_refused(
    configuration: Configuration, variables: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        settings_of(best(configuration, variables), "b.yaml")


def test_a_library_is_looked_for_here_whatever_the_file_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evil = best({"allocator": "tcmalloc"}, {"LD_PRELOAD": "/tmp/evil.so"})
    monkeypatch.setattr(apply, "find_library", lambda *_: "")
    with pytest.raises(UnfitEnvironmentError, match=r"there is no libtcmalloc\*.so.4 on this host"):
        settings_of(evil, "b.yaml")
    monkeypatch.setattr(apply, "find_library", lambda name, _: f"/usr/lib/{name}")
    monkeypatch.setenv("LD_PRELOAD", "/theirs.so:/usr/lib/libtcmalloc*.so.4")
    assert settings_of(evil, "b.yaml").variables == {
        "LD_PRELOAD": "/usr/lib/libtcmalloc*.so.4:/theirs.so"
    }


def test_a_list_of_settings_is_added_to_what_is_set_here(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "PYTORCH_NPU_ALLOC_CONF"
    there = {name: "base_addr_aligned_kb:0,expandable_segments:True"}  # where it was tuned
    monkeypatch.setenv(name, "page_size:1g")
    settings = settings_of(best({"npu_allocator": "expandable"}, there, "npu"), "b.yaml")
    assert settings.variables == {name: "page_size:1g,expandable_segments:True"}
    other = best({"npu_allocator": "expandable"}, {name: "page_size:1g"}, "npu")
    with pytest.raises(UsageError, match="the configuration means 'expandable_segments:True'"):
        settings_of(other, "b.yaml")


@pytest.mark.parametrize("form", ["env", "dockerfile", "python"])
def test_an_exported_list_says_that_it_replaces_what_is_set(form: str, tmp_path: Path) -> None:
    name, there = "PYTORCH_NPU_ALLOC_CONF", "page_size:1g,expandable_segments:True"
    variables = {name: there, "TASK_QUEUE_ENABLE": "2"}
    file = written(form, {"npu_allocator": "expandable"}, variables, tmp_path / "out")
    lines = [line.removeprefix("# ") for line in file.read_text().splitlines()]
    said = [line for line in lines if "replaces" in line]
    assert said == [f"{name} is a list: this value replaces what is set where it is used."]


def test_a_library_of_the_programs_own_environment_is_found(tmp_path: Path) -> None:
    for folder, name in (("bin", "python"), ("lib", "libjemalloc.so.2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch(0o755)
    wanted = best({"allocator": "jemalloc"}, {"LD_PRELOAD": "/elsewhere/libjemalloc.so.2"})
    settings = settings_of(wanted, "b.yaml", program=[str(tmp_path / "bin" / "python"), "serve.py"])
    assert settings.variables["LD_PRELOAD"].startswith(str(tmp_path / "lib" / "libjemalloc.so.2"))


def test_what_was_not_confirmed_is_said() -> None:
    lucky = best({"threads": 2})
    assert lucky.recommendation == "confirm first"
    said = "warning: from single runs, not confirmed: it may be no faster"
    assert next(apply.lines(settings_of(lucky, "b.yaml"))) == said
    proven = settings_of(lucky.model_copy(update={"recommendation": "apply"}), "b.yaml")
    assert said not in apply.lines(proven)


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"format: [", b"- 1", b"measured_with: {objective: latency}"]
)
def test_a_broken_file_is_one_line(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "b.yaml"
    file.write_bytes(text)
    for command in (["run", str(file), "--", "true"], ["check", str(file)]):
        done = npu_tune(*command)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.stderr


def test_a_space_of_ones_own_has_to_be_named(tmp_path: Path) -> None:
    space = tmp_path / "own.yaml"
    space.write_text(
        "name: own\nbackend: cpu\nknobs:\n  speed:\n    why: x\n    apply: environment\n"
        "    default: unset\n    values: [{value: high, set: {SPEED: '9'}}]\n"
    )
    mine = best({"speed": "high"}, {"SPEED": "9"})
    with pytest.raises(UsageError, match="of your own search space: --space FILE"):
        settings_of(mine, "b.yaml")
    assert settings_of(mine, "b.yaml", str(space)).variables == {"SPEED": "9"}


def test_the_environment_of_a_program_keeps_its_own_path() -> None:
    settings = Settings("cpu", {"A": "1"}, (("threads", 1, "threads"),), ())
    held = apply.environment(settings, {"PYTHONPATH": "/theirs", "B": "2"})
    assert held.pop("PYTHONPATH").split(os.pathsep) == [str(apply.STARTUP), "/theirs"]
    assert json.loads(held.pop(after_import.VARIABLE)) == {
        "module": "torch", "knobs": [["threads", 1, "threads"]],
    }  # fmt: skip
    assert held == {"A": "1", "B": "2"}
    nothing = Settings("cpu", {"A": "1"}, (), ())
    assert apply.environment(nothing, {}) == {"A": "1"}


def test_exit_code_and_arguments_are_the_programs_own(exported: Path, tmp_path: Path) -> None:
    code = "import sys; print(sys.argv[1:]); sys.exit(7)"
    done = ran([*RUN, str(exported), "--", sys.executable, "-c", code, "--json", "-h"], tmp_path)
    assert (done.returncode, done.stdout) == (7, "['--json', '-h']\n")
    missing = ran([*RUN, str(exported), "--", "/not/there"], tmp_path)
    assert missing.returncode == 2
    assert "npu-tune: /not/there: cannot be started" in missing.stderr


def test_a_sitecustomize_of_the_users_is_still_imported(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('theirs')\n")
    paths = f"{tmp_path}{os.pathsep}{ROOT}"
    done = ran([*RUN, str(exported), "--", sys.executable, "-c", "1"], tmp_path, PYTHONPATH=paths)
    assert done.stdout.splitlines()[-1] == "theirs"


@pytest.mark.usefixtures("exported")
def test_in_code_what_is_read_at_the_start_must_be_there(tmp_path: Path) -> None:
    code = "import tuner; tuner.apply('best.yaml')"
    done = ran([sys.executable, "-c", code], tmp_path)
    assert "too late for MALLOC_TRIM_THRESHOLD_=1073741824" in done.stderr
    assert "npu-tune run best.yaml -- python" in done.stderr
    assert ran([sys.executable, "-c", code], tmp_path, **KEEP).returncode == 0


def test_the_dockerfile_holds_the_variables(tmp_path: Path) -> None:
    path = written("dockerfile", CONFIGURATION, VARIABLES, tmp_path / "best.Dockerfile")
    lines = [line for line in path.read_text().splitlines() if line.startswith("ENV")]
    assert lines == [f'ENV {name}="{value}"' for name, value in VARIABLES.items()]


OWN_SPACE = """\
name: mine
backend: cpu
knobs:
  mode:
    why: a flag
    apply: model
    handler: execution
    default: unset
    values: [{value: fast, code: model.be_fast()}]
"""


def test_the_python_file_has_the_code_of_the_studys_own_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text(OWN_SPACE)
    store = Store(f"sqlite:///{tmp_path}/s.db")
    store.create_study(study_record(Setup("m", space="mine.yaml", folder=str(tmp_path))))
    for run in [recorded(0, 10), recorded(1, 4, mode="fast")]:
        store.record("s", run)
    store.close()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    command = ["export", "s", "--format", "python", "-o", "best.py", "--storage", store.url]
    assert npu_tune(*command).exit_code == 0
    assert "    # mode=fast\n    model.be_fast()\n" in Path("best.py").read_text()


PRELOADED = "/lib/libjemalloc.so.2:/own.so"


def run_python_file(held: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `import best` does in a program that was started with these libraries preloaded."""
    path = written("python", {}, {"LD_PRELOAD": PRELOADED}, folder / "best.py")
    monkeypatch.setenv("LD_PRELOAD", held)
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    exec(path.read_text(), {})


def test_the_python_file_takes_more_libraries_in_another_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "/own.so:/lib/libjemalloc.so.2:/b.so"
    run_python_file(more, tmp_path, monkeypatch)
    assert os.environ["LD_PRELOAD"] == more


def test_the_python_file_names_the_libraries_where_one_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError, match=f"before Python starts: LD_PRELOAD={PRELOADED}$"):
        run_python_file("/own.so", tmp_path, monkeypatch)


def test_every_value_of_the_shipped_spaces_says_how_code_sets_it() -> None:
    from tuner.space import file as space_file

    silent = []
    for name in space_file.shipped():
        loaded = space_file.load(space_file.find(name))
        for knob, entry in loaded.entries.items():
            if entry.apply in ("process", "model"):
                for one in entry.entries():
                    if not entry.code_of(one.value):
                        silent.append(f"{name}: {knob}={one.value}")
                    else:
                        compile(entry.code_of(one.value), name, "exec")
    assert silent == [f"npu-extended: worker_cpus={value}" for value in (2, 4, 8, "near")]


@pytest.mark.usefixtures("exported")
def test_a_program_ignores_no_signal_that_python_ignores(tmp_path: Path) -> None:
    done = ran([*RUN, "best.yaml", "--", "cat", "/proc/self/status"], tmp_path)
    (ignored,) = [line for line in done.stdout.splitlines() if line.startswith("SigIgn:")]
    assert int(ignored.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0
    assert int(ignored.split()[1], 16) & (1 << (signal.SIGXFSZ - 1)) == 0
