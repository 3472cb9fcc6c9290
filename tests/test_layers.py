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
WORKER = sorted((PACKAGE / "worker").rglob("*.py"))
CONTROLLER = sorted(set(PACKAGE.rglob("*.py")) - set(WORKER))
# What these say is shown at once: views, and lines for whoever waits. All others keep messages.
SPEAKING = {
    "applying", "budget", "cells", "cli_common", "cli_doctor", "cli_studies",
    "cli_tune", "cli_upgrade", "closing", "compare_view", "doctor_view", "full_check", "lease",
    "profile_view", "progress", "report", "session", "terminal", "text",
}  # fmt: skip
SPEAKS_SQL = ("database.py", "migrations.py", "store.py", "tables.py")
ALLOWED_IN_WORKER = {"torch", "torch_npu", "torchvision", *sys.stdlib_module_names}


def imports(path: Path) -> Iterator[str]:
    """Absolute imports by top-level name; relative ones as dots and name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", WORKER, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_worker_imports_torch_the_standard_library_and_itself(path: Path) -> None:
    depth = len(path.relative_to(PACKAGE / "worker").parts)
    for name in imports(path):
        level = len(name) - len(name.lstrip("."))
        assert level <= depth if level else name in ALLOWED_IN_WORKER, f"{path}: {name}"


@pytest.mark.parametrize("path", CONTROLLER, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_controller_never_imports_torch_and_only_the_store_speaks_sql(path: Path) -> None:
    found = set(imports(path))
    assert not found & {"torch", "torchvision", "torch_npu"}
    assert "sqlalchemy" not in found or path.name in SPEAKS_SQL
    assert "optuna" not in found or path.name in ("store.py", "search.py")


def test_only_the_cli_prints_or_exits() -> None:
    for path in CONTROLLER:
        text = path.read_text()
        if not path.name.startswith("cli"):
            assert "print(" not in text.replace("fingerprint(", "")
            assert "sys.exit" not in text
            assert "SystemExit" not in text


def test_what_makes_data_speaks_no_language() -> None:
    speaking = {
        path.stem
        for path in CONTROLLER
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and "say" in [alias.name for alias in node.names]
    }
    assert speaking == SPEAKING


def test_the_worker_fits_python_3_8() -> None:
    vermin = [str(Path(sys.executable).with_name("vermin")), "-t=3.8-", "--violations", "--no-tips"]
    done = subprocess.run([*vermin, *map(str, WORKER)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_help_loads_neither_optuna_nor_torch_nor_pydantic() -> None:
    code = (
        "import sys\nfrom tuner.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('optuna', 'torch', 'pydantic', 'sqlalchemy', 'rich') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
