"""One direction of imports, and a worker that runs on Python 3.8 with the standard library."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tuner

PACKAGE = Path(tuner.__file__).parent
# The order in which the tool works. Between these an import only ever goes up: to the left.
ORDER = (
    "worker", "errors", "language", "policy", "text", "parse", "space", "options", "runs",
    "evidence", "study", "deploy", "diagnose", "views", "api", "cli",
)  # fmt: skip
WORKER = sorted((PACKAGE / "worker").rglob("*.py"))
CONTROLLER = sorted(set(PACKAGE.rglob("*.py")) - set(WORKER))
# What these say is shown at once: views, commands, and lines for whoever waits. All others keep
# messages.
SPEAKING = ("views", "cli")
SPEAKING_FILES = {
    "deploy/apply", "diagnose/full", "runs/lease", "runs/unsaved", "study/budget", "study/notes",
    "study/progress", "study/repeat", "text",
}  # fmt: skip
SPEAKS_SQL = {"runs/address", "runs/database", "runs/migrations", "runs/store", "runs/tables"}
SPEAKS_OPTUNA = {"runs/store", "study/sampler"}
BOUNDARY = {
    "protocol",
    "facts",
    "exchange",
    "failure",
    "applied",
}  # what others may import of the worker
ENGINES = {"onnxruntime", "openvino"}  # of files that are loaded only where these are
ALLOWED_IN_WORKER = {"torch", "torch_npu", "torchvision", *ENGINES, *sys.stdlib_module_names}
LONGEST_FILE = 300


def name_of(path: Path) -> str:
    """`runs/store` of a file of the package."""
    return str(path.relative_to(PACKAGE).with_suffix(""))


def imports(path: Path) -> Iterator[str]:
    """Absolute imports by top-level name; relative ones as dots and name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", WORKER, ids=name_of)
def test_the_worker_imports_torch_the_standard_library_and_itself(path: Path) -> None:
    depth = len(path.relative_to(PACKAGE / "worker").parts)
    for name in imports(path):
        level = len(name) - len(name.lstrip("."))
        assert level <= depth if level else name in ALLOWED_IN_WORKER, f"{path}: {name}"


@pytest.mark.parametrize("path", CONTROLLER, ids=name_of)
def test_the_controller_never_imports_torch_and_only_the_store_speaks_sql(path: Path) -> None:
    names = set(imports(path))
    assert not names & {"torch", "torchvision", "torch_npu"}
    assert "sqlalchemy" not in names or name_of(path) in SPEAKS_SQL
    assert "optuna" not in names or name_of(path) in SPEAKS_OPTUNA


def ours(path: Path) -> Iterator[tuple[str, int]]:
    """The packages of ours that a file imports from, each with its line."""
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ((name.split(".")[0], node.lineno) for name in names)


@pytest.mark.parametrize("path", CONTROLLER, ids=name_of)
def test_an_import_only_ever_goes_up(path: Path) -> None:
    package = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if package != "__init__":
        for name, line in ours(path):
            if name != "__version__":
                assert ORDER.index(name) <= ORDER.index(package), f"{path}:{line}"


def of_worker(path: Path) -> Iterator[str]:
    """The modules of the worker that a file imports from."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "worker":
            names = [alias.name for alias in node.names]
            yield from (node.module or "").split(".")[1:2] or names


@pytest.mark.parametrize("path", CONTROLLER, ids=name_of)
def test_above_the_worker_only_its_boundary_is_known(path: Path) -> None:
    assert set(of_worker(path)) <= BOUNDARY


def test_every_package_has_its_place() -> None:
    entries = {path.stem for path in PACKAGE.iterdir() if not path.name.startswith("__")}
    assert entries - {"languages", "search_spaces"} == set(ORDER)


@pytest.mark.parametrize("path", [*WORKER, *CONTROLLER], ids=name_of)
def test_no_file_is_too_long_to_have_one_job(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


def test_only_the_cli_prints_or_exits() -> None:
    for path in CONTROLLER:
        text = path.read_text()
        if not name_of(path).startswith("cli/"):
            assert "print(" not in text.replace("fingerprint(", "")
            assert "sys.exit" not in text
            assert "SystemExit" not in text


def test_what_makes_data_speaks_no_language() -> None:
    speaking = {
        name_of(path)
        for path in CONTROLLER
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and "say" in [alias.name for alias in node.names]
    }
    assert {name for name in speaking if not name.startswith(SPEAKING)} == SPEAKING_FILES


def test_the_worker_fits_python_3_8() -> None:
    vermin = [str(Path(sys.executable).with_name("vermin")), "-t=3.8-", "--violations", "--no-tips"]
    done = subprocess.run([*vermin, *map(str, WORKER)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_help_loads_neither_optuna_nor_torch_nor_pydantic() -> None:
    code = (
        "import sys\nfrom tuner.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('optuna', 'torch', 'pydantic', 'sqlalchemy', 'rich') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
