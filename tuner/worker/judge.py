"""A user's own judgement of outputs: `--compare file.py:same`, asked instead of a tolerance.

`same(reference, output)` gets both as the model returned them, tensors on the host, and returns
whether they are the same, or a text that says what differs.
"""

from __future__ import annotations

import os
from typing import Any, Callable, List, Optional

from . import output_check, whole
from .failure import RunError, environment_error, one_line, print_trace
from .models.python_file import function_of
from .protocol import OutputCheck
from .tree import map_tensors

ANSWERS = "must return True, False or a text that says what differs"


class Judge:
    """name: as it is shown. error: what its own faults are, which are no configuration's."""

    def __init__(
        self, reference: str, folder: str, error: Callable[[str], RunError] = environment_error
    ) -> None:
        place, _, function = reference.rpartition(":")
        self.name = "{}:{}".format(os.path.basename(place), function)
        self.error = error
        try:
            self.function = function_of(reference, folder)
        except (Exception, SystemExit) as failure:  # whatever the import of a user's file raises
            raise self._fault(failure)

    def kept(self, output: Any) -> List[Any]:
        """An output as it is kept to be the reference."""
        try:
            return whole.kept(output)
        except TypeError as failure:
            text = "the output holds a value of type {}, which cannot be kept for it: have the "
            text += "model return tensors, numbers, texts, lists, tuples, mappings or dataclasses"
            raise self.error("--compare {}: {}".format(self.name, text.format(failure)))

    def check(self, output: Any, reference: List[Any]) -> OutputCheck:
        """What it says of an output. reference: as it was kept."""
        own = output_check.digest(output_check.values_of(output))
        output = map_tensors(output, lambda tensor: tensor.detach().to("cpu").clone())
        try:
            answer = self.function(whole.again(reference, output), output)
            why = self._why_not(answer)
        except RunError:
            raise
        except Exception as failure:
            raise self._fault(failure)
        return OutputCheck("failed" if why else "passed", own, None, why, by=self.name)

    def _why_not(self, answer: Any) -> str:
        if isinstance(answer, str):
            return "{}: {}".format(self.name, answer) if answer else ""
        if answer is None or isinstance(answer, (tuple, list, dict)):
            text = "--compare {}: it returned {}, and {}"
            raise self.error(text.format(self.name, type(answer).__name__, ANSWERS))
        return "" if bool(answer) else "not the same by {}".format(self.name)

    def _fault(self, failure: BaseException) -> RunError:
        print_trace(failure)
        return self.error("--compare {}: {}".format(self.name, one_line(failure)))


def judge_of(reference: str, folder: str, *error: Callable[[str], RunError]) -> Optional[Judge]:
    """Of `--compare`; None where there is none."""
    return Judge(reference, folder, *error) if reference else None
