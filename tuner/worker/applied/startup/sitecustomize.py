"""Python imports this at its start where `npu-tune run` has put its folder on PYTHONPATH.

Standard library only, Python 3.8; whatever happens here, the program must start.
"""

import importlib.machinery
import importlib.util
import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))


def _ours() -> None:
    """The worker package by its path: npu-tune need not be installed for this interpreter."""
    path = os.path.join(os.path.dirname(os.path.dirname(FOLDER)), "__main__.py")
    spec = importlib.util.spec_from_file_location("npu_tune_worker_main", path)
    assert spec is not None
    assert spec.loader is not None
    main = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(main)
    main.load_worker_package()
    importlib.import_module("npu_tune_worker.applied.after_import").from_environment()


def _theirs() -> None:
    """The module of this name that would have been imported without us."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != FOLDER]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


try:
    _ours()
except Exception as error:
    sys.stderr.write("npu-tune: nothing is set after the import of torch: {}\n".format(error))
_theirs()
