"""The wheel carries what the tool needs, and works from any folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as an installer would put it into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_it_puts_one_name_into_site_packages(unpacked: Path) -> None:
    names = sorted(path.name for path in unpacked.iterdir())
    assert names == ["npu_tune-0.1.0.dist-info", "tuner"]


def test_it_carries_worker_search_spaces_and_translations(unpacked: Path) -> None:
    for name in (
        "worker/__main__.py", "worker/applied/startup/sitecustomize.py", "search_spaces/cpu.yaml",
        "languages/zh.yaml", "templates/report.html",
    ):  # fmt: skip
        assert (unpacked / "tuner" / name).is_file(), name


def test_it_requires_no_torch(unpacked: Path) -> None:
    metadata = (unpacked / "npu_tune-0.1.0.dist-info" / "METADATA").read_text().splitlines()
    required = [line for line in metadata if line.startswith("Requires-Dist: torch")]
    assert required
    assert all("extra ==" in line for line in required)


def test_it_tunes_from_another_folder(unpacked: Path, torch_python: str, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text((ROOT / "tests/data/models/tiny.py").read_text())
    code = f"import sys; sys.path.insert(0, {str(unpacked)!r})\n"
    code += "from tuner.cli.main import main; main()"
    done = subprocess.run(
        [torch_python, "-c", code, "--model", "model.py:conv", "--trials", "2", "--confirm", "off",
         "--set", "execution=torchscript"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "conv-1.yaml").is_file() or list(tmp_path.glob("results/*.yaml"))
