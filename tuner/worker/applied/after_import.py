"""In a user's own program: knobs are applied as soon as torch is imported, whatever imports it.

The same handlers that a trial applies. torch_npu's settings wait for torch_npu, which torch may
import by itself (2.5 and later) or the program may import after it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from importlib.machinery import ModuleSpec
from typing import Any, Callable, List, Optional

VARIABLE = "NPU_TUNE_APPLY"  # JSON: {"module": to wait for, "knobs": [[name, value, handler], …]}
SAID = "NPU_TUNE_SAID"  # set by the first process that has said what it set
MODULES = {"cpu": "torch", "npu": "torch_npu"}  # backend -> what must be there


def from_environment() -> None:
    """What `npu-tune run` has asked for; nothing where it has not."""
    text = os.environ.get(VARIABLE)
    if text:
        request = json.loads(text)
        install(request["module"], request["knobs"])


def install(module: str, knobs: List[Any]) -> None:
    """Apply the knobs, each [name, value, handler], once `module` has been imported."""
    if knobs:
        sys.meta_path.insert(0, _After(module, lambda: _apply(module, knobs)))


class _After:
    """A finder that lets the others find `module`, and acts when it has been executed.

    It stays until then: programs look whether torch is there before they import it.
    """

    def __init__(self, module: str, act: Callable[[], None]) -> None:
        self.module, self.act, self.asking = module, act, False

    def find_spec(self, name: str, *_: Any) -> Optional[ModuleSpec]:
        if name != self.module or self.asking:
            return None
        self.asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.asking = False
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def then_act(module: Any) -> None:
            execute(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                self.act()

        spec.loader.exec_module = then_act  # type: ignore[method-assign]
        return spec


def _apply(module: str, knobs: List[Any]) -> None:
    """Never the end of the program: a setting that cannot be made is said, and it goes on."""
    done, failed = [], []
    for name, value, handler in knobs:
        try:
            importlib.import_module("...knobs." + handler, __name__).apply(value, None)
            done.append("{}={}".format(name, value))
        except Exception as error:
            failed.append("{}={} ({})".format(name, value, str(error).split("\n")[0]))
    line = "npu-tune: set after the import of {}: {}".format(module, ", ".join(done) or "nothing")
    if failed:
        line += "; could not be set: " + ", ".join(failed)
    if failed or not os.environ.get(SAID):
        os.environ[SAID] = "1"
        sys.stderr.write(line + "\n")
