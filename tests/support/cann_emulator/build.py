"""Builds the emulated CANN against an installed torch_npu, and describes its environment.

    python tests/support/cann_emulator/build.py FOLDER_WITH_TORCH_NPU

prints where the libraries are.

The wheel is followed, not a list: every C symbol that it leaves undefined and that is not written
by hand becomes a function that returns 0, and every aclnn operator named in it gets its two phases.
"""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = [HERE / name for name in ("state.c", "runtime.c", "operators.c", "capture.c")]
MAIN = "libascendcl.so"
DEFAULT_CANN = "8.2.RC1"  # as in state.c
OTHERS = (
    "hccl", "acl_op_compiler", "ge_runner", "graph", "acl_tdt_channel", "opapi", "ascend_hal",
    "msprofiler", "ms_tools_ext", "ascend_dump", "ascend_ml", "nnopbase", "hcomm", "runtime",
)  # fmt: skip
FAMILIES = re.compile(r"^(acl|Hccl|Msprof|rt[A-Z]|hal|mstx|_ZN2ge|_ZNK2ge)")
OPERATOR = re.compile(rb"\x00(aclnn[A-Z][A-Za-z0-9]*)(?=\x00)")
NAMED = re.compile(rb"\x00((?:acl(?:rt|prof|mdl|sys|op)?|hal|mstx)[A-Z][A-Za-z0-9]*)(?=\x00)")
# Looked up by name and tested for presence: there only when they really do something.
ABSENT = re.compile(r"^aclmdlRI|^aclrtIpc|^aclrtMemcpyBatch|^aclrtMemUce|^aclrtGetMemUce")


def build(site: Path, cache: Path) -> Path:
    """The folder with the libraries for the torch_npu below `site`; made once for each wheel.

    Raises RuntimeError saying what is missing.
    """
    package = site / "torch_npu"
    if not (package / "lib" / "libtorch_npu.so").exists():
        raise RuntimeError(
            f"{site} has no torch_npu: pip install --no-deps --target {site} torch_npu==2.7.1"
        )
    for tool in ("gcc", "nm"):
        if shutil.which(tool) is None:
            raise RuntimeError(f"there is no {tool}: apt-get install gcc binutils")
    folder = cache / _key(package)
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _compile(package, folder)
        (folder / "done").touch()
    return folder


def environment(folder: Path, **parameters: str | int | Path) -> dict[str, str]:
    """Variables under which the torch_npu of `folder` finds its CANN, with these parameters."""
    given = " ".join(f"{name}={value}" for name, value in parameters.items())
    home = _installation(folder, str(parameters.get("cann", DEFAULT_CANN)))
    return {
        "LD_LIBRARY_PATH": str(folder),
        "ASCEND_HOME_PATH": str(home),
        "ASCEND_OPP_PATH": str(home / "opp"),
        "EMULATED_CANN": given,
        # torch_npu's import starts inductor's compile processes, which would keep a second core
        # busy for seconds while the few cores of a test machine are measured.
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }


def _installation(folder: Path, version: str) -> Path:
    """The folders that torch_npu looks for, and the file that tells CANN's version, made once."""
    home = folder / f"home-{version}"
    for name in ("runtime", "compiler", "opp"):
        (home / name).mkdir(parents=True, exist_ok=True)
    information = home / f"{platform.machine()}-linux" / "ascend_toolkit_install.info"
    information.parent.mkdir(exist_ok=True)
    information.write_text(f"package_name=Ascend-cann-toolkit\nversion={version}\n")
    return home


def _key(package: Path) -> str:
    version = re.search(r"__version__ = '(.*?)'", (package / "version.py").read_text())
    sha = hashlib.sha256(b"".join(path.read_bytes() for path in [Path(__file__), *SOURCES]))
    sha.update((HERE / "emulator.h").read_bytes())
    return f"{version[1] if version else 'unknown'}-{sha.hexdigest()[:12]}"


def _compile(package: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    common = ["gcc", "-O1", "-fPIC", "-shared", "-w", f"-Wl,-soname,{MAIN}", "-lm", "-lpthread"]
    first = folder / "first.so"
    subprocess.run([*common, "-o", str(first), *map(str, SOURCES)], check=True)
    written = set(_symbols(first, "--defined-only"))
    first.unlink()
    binary = (package / "lib" / "libtorch_npu.so").read_bytes()
    generated = folder / "generated.c"
    generated.write_text("\n".join(_generated(package, binary, written)))
    sources = [*map(str, SOURCES), str(generated)]
    subprocess.run([*common, "-o", str(folder / MAIN), *sources], check=True)
    for name in OTHERS:
        soname = f"lib{name}.so"
        link = ["-Wl,--no-as-needed", f"-Wl,-soname,{soname}", "-L", str(folder), "-l:" + MAIN]
        empty = ["gcc", "-shared", "-x", "c", "/dev/null", "-o", str(folder / soname)]
        subprocess.run([*empty, *link], check=True)


def _generated(package: Path, binary: bytes, written: set[str]) -> list[str]:
    lines = ["#include <stdint.h>"]
    lines.append("int32_t emulated_phase1(const char *, const int64_t *);")
    lines.append("int32_t emulated_phase2(const char *, void *, void *);")
    names = {name.decode().removesuffix("GetWorkspaceSize") for name in OPERATOR.findall(binary)}
    words = ", ".join(f"int64_t a{n}" for n in range(28))
    listed = ", ".join(f"a{n}" for n in range(28))
    for name in sorted(names):
        lines.append(
            f"int32_t {name}GetWorkspaceSize({words}) {{ int64_t w[] = {{{listed}}}; "
            f'return emulated_phase1("{name}", w); }}\n'
            f"int32_t {name}(void *w, uint64_t n, void *e, void *s) "
            f'{{ return emulated_phase2("{name}", e, s); }}'
        )
    wanted = {name.decode() for name in NAMED.findall(binary)}
    libraries = [*(package / "lib").glob("*.so"), *package.glob("_C*.so")]
    for library in libraries:
        if library.name != "libop_plugin_atb.so":  # loaded on demand, needs a library of its own
            wanted |= {s for s in _symbols(library, "--undefined-only") if FAMILIES.match(s)}
    rest = wanted - written - names - {name + "GetWorkspaceSize" for name in names}
    for name in sorted(rest):
        if not ABSENT.match(name) and not name.startswith("aclnn"):
            lines.append(f"int64_t {name}(void) {{ return 0; }}")
    return lines


def _symbols(library: Path, which: str) -> list[str]:
    done = subprocess.run(
        ["nm", "-D", which, str(library)], capture_output=True, text=True, check=True
    )
    return [line.split()[-1].partition("@")[0] for line in done.stdout.splitlines()]


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / ".cache"))
