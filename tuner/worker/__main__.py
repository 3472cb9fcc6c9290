"""One run, in a process of its own.

    python <path>/tuner/worker/__main__.py <run_dir>

Reads `<run_dir>/spec.json`, writes `<run_dir>/result.json` atomically. stdout and stderr are the
run's log and mean nothing. Standard input is a pipe that the controller holds open and never
writes to: its end means that the controller is gone, and so is this process.

Needs Python 3.8 or later and, for the run itself, torch. Imports nothing above this folder: the
interpreter may belong to another environment than the controller's.
"""

import importlib.util
import os
import sys


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


if __name__ == "__main__":
    load_worker_package()
    run = importlib.import_module("npu_tune_worker.run")
    run.main(sys.argv[1])
