"""One run, in a process of its own.

    python <path>/tuner/worker/__main__.py <run_dir> [--foreground]

Reads `<run_dir>/spec.json`, writes its results there, atomically. This process supervises: it
starts the measuring one, which is this file with `--measure`, and passes turns on to it (see
`supervisor.py`). Its standard input is a pipe that the controller holds open: lines are turns, its
end means that the controller is gone, and so is the run. It answers on its standard output. What is
said otherwise goes to `<run_dir>/worker.log`; with --foreground to standard error.

Needs Python 3.8 or later and, for the run itself, torch. Imports nothing above this folder: the
interpreter may belong to another environment than the controller's.
"""

import importlib.util
import os
import subprocess
import sys
from typing import List


def load_worker_package() -> None:
    """Make this folder importable as `npu_tune_worker`, without its parents on `sys.path`.

    Python put the folder itself on the path; it is taken off again, because a user's own `models`
    or `measure` module must not be shadowed by ours.
    """
    folder = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != folder]
    spec = importlib.util.spec_from_file_location(
        "npu_tune_worker",
        os.path.join(folder, "__init__.py"),
        submodule_search_locations=[folder],
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["npu_tune_worker"] = package
    spec.loader.exec_module(package)


def main(arguments: List[str], python: List[str]) -> None:
    """Supervise, or measure. python: starts the interpreter of the measuring process."""
    load_worker_package()
    run_dir, *rest = arguments
    if rest[:1] == ["--measure"]:
        run = importlib.import_module("npu_tune_worker.run")
        run.main(run_dir, int(rest[1]))
    else:
        command = [*python, os.path.abspath(__file__), run_dir, "--measure"]
        supervisor = importlib.import_module("npu_tune_worker.supervisor")
        supervisor.supervise(run_dir, command, "--foreground" in rest)


if __name__ == "__main__":
    # The flags of this interpreter, as multiprocessing passes them on: -S, -I, -X and so on.
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    main(sys.argv[1:], [sys.executable, "-u", *flags])
