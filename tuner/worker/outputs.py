"""A run's outputs against the baseline's: of the first call, of the last, and on other inputs."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import Any, Dict, List, Optional

from . import handlers, output_check
from .failure import RunError, one_line
from .judge import Judge, judge_of
from .output_check import FIRST, OTHER
from .protocol import OutputCheck, Role, TrialSpec
from .workload import Workload, other_inputs

OVERWRITES = "the next call overwrites the output: copy what you keep"


class Outputs:
    """known: where what is known of the run is kept; `output` in it is the latest check."""

    def __init__(self, spec: TrialSpec, known: Dict[str, Any]) -> None:
        self.spec, self.known = spec, known
        self.reference: output_check.Reference = {}
        self.whole: Dict[str, List[Any]] = {}
        self.judge: Optional[Judge] = None

    def first_fails(self, output: Any, workload: Workload) -> bool:
        """Check the first output; the first run of the baseline makes the reference of it."""
        path = self.spec.reference_path
        self.judge = judge_of(self.spec.compare, self.spec.model.folder)
        if self.spec.role == Role.BASELINE and not os.path.exists(path):
            # Before the next call may overwrite it.
            stored = [self._stored(FIRST, output, workload)]
            with contextlib.suppress(Exception):  # not every model takes others
                stored.append(self._stored(OTHER, _of_others(workload), workload))
            values, whole = ({name: pair[kind] for name, *pair in stored} for kind in (0, 1))
            output_check.store_reference(values, path, whole if self.judge else None)
        self.reference = output_check.load_reference(path)
        if self.judge:
            self.whole = output_check.load_whole(path)
        return self._fails(output)

    def last_fails(self, output: Any, workload: Workload) -> bool:
        """Check the last output, and that of other inputs, once all samples are taken."""
        return self._fails(output) or self._fails_on_others(workload)

    def _stored(self, inputs: str, output: Any, workload: Workload) -> Any:
        """(name of the inputs, values, the whole output where the user's judgement wants it)."""
        whole = self.judge.kept(output) if self.judge else None
        values = output_check.by_weights(output_check.values_of(output), workload.module)
        return inputs, values, whole

    def _fails(self, output: Any) -> bool:
        why_not = self.spec.model.not_comparable
        check = OutputCheck("impossible", reason=why_not)
        if not why_not:
            check = self._check(output, FIRST)
        self.known["output"] = check
        return check.status == "failed"

    def _check(self, output: Any, inputs: str) -> OutputCheck:
        """By the user's own judgement where there is one."""
        if self.judge:
            return self.judge.check(output, self.whole[inputs])
        return output_check.check(output, self.reference[inputs], self.spec.tolerance)

    def _fails_on_others(self, workload: Workload) -> bool:
        """Does a mode that may have kept something of its first inputs fail on others?

        Once a configuration.
        """
        looked_at = self.spec.role == Role.SEARCH and not self.spec.model.not_comparable
        if not looked_at or not handlers.keeps_inputs(self.spec.knobs):
            return False
        if OTHER not in self.reference:
            self._note("not checked: the baseline takes no others")
            return False
        kept = workload.call()
        before = output_check.digest(output_check.values_of(kept))
        try:
            check = self._check(_of_others(workload), OTHER)
        except RunError:  # of the user's judgement
            raise
        except Exception as error:
            check = OutputCheck("failed", "", None, one_line(error))
        else:
            if output_check.digest(output_check.values_of(kept)) != before:
                workload.warnings.append(OVERWRITES)
        if check.status == "failed":
            reason = "on other inputs of the same shapes: {}".format(check.reason)
            self.known["output"] = dataclasses.replace(check, reason=reason)
            return True
        self._note("passed" if check.status == "passed" else "not checked: " + check.reason)
        return False

    def _note(self, others: str) -> None:
        self.known["output"] = dataclasses.replace(self.known["output"], others=others)


def _of_others(workload: Workload) -> Any:
    args, kwargs = other_inputs(workload)
    return workload.forward(*args, **kwargs)
