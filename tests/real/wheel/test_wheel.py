"""The wheel carries what the tool needs, and works from any folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.once import once
from tests.support.pretend import Pretend


@pytest.fixture
def unpacked(shared: Path) -> Path:
    """The wheel's content, as an installer would put it into site-packages."""
    return once(shared / "wheel", unpack) / "site"


def unpack(folder: Path) -> None:
    """Build the wheel and unpack it."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")


def test_it_puts_one_name_into_site_packages(unpacked: Path) -> None:
    names = sorted(path.name for path in unpacked.iterdir())
    assert names == ["npu_tune-0.1.0.dist-info", "tuner"]


def test_it_carries_worker_search_spaces_and_translations(unpacked: Path) -> None:
    for name in (
        "worker/__main__.py", "worker/applied/startup/sitecustomize.py", "search_spaces/cpu.yaml",
        "languages/zh.yaml", "views/templates/report.html",
    ):  # fmt: skip
        assert (unpacked / "tuner" / name).is_file(), name


def test_it_requires_no_torch(unpacked: Path) -> None:
    metadata = (unpacked / "npu_tune-0.1.0.dist-info" / "METADATA").read_text().splitlines()
    required = [line for line in metadata if line.startswith("Requires-Dist: torch")]
    assert required
    assert all("extra ==" in line for line in required)


def from_wheel(site: Path, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """The command of the unpacked wheel, in a folder."""
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n"
    code += "from tuner.cli.main import main; main()"
    command = [sys.executable, "-c", code, *args]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_it_tunes_and_reports_from_another_folder(
    unpacked: Path, pretend: Pretend, tmp_path: Path
) -> None:
    options = ["--trials", "2", "--confirm", "off", *pretend()]
    done = from_wheel(unpacked, tmp_path, "--model", "model.py:make", *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "model-1.yaml").is_file()
    assert from_wheel(unpacked, tmp_path, "report", "model-1", "--lang", "zh").returncode == 0


def test_its_worker_runs_torch(unpacked: Path, torch_python: str, tmp_path: Path) -> None:
    done = from_wheel(unpacked, tmp_path, "doctor", "--python", torch_python)
    assert "OK   torch: " in done.stdout, done.stdout
