"""A prepared run in a heat: waits for each command, does it, answers."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Callable, Dict

from . import exchange, protocol, witnesses
from .process_settings import own_filters
from .protocol import Outcome, TrialResult
from .timed_region import transfers
from .turns import Turns
from .workload import Workload, batch_of

if TYPE_CHECKING:
    from .run import Measuring


class InTurns:
    """states: of the handlers before torch was there, which their read-backs want."""

    def __init__(
        self,
        measuring: Measuring,
        workload: Workload,
        backend: Any,
        device: str,
        states: Dict[str, Any],
        turns: Turns,
    ) -> None:
        self.measuring, self.known = measuring, measuring.known
        self.workload, self.backend, self.device = workload, backend, device
        self.states, self.turns = states, turns
        self.warm = False
        self.cpus = witnesses.usable_cpus()

    def run(self, compiles: bool) -> None:
        """Until it is to leave, its output is wrong, or the supervisor is gone.

        compiles: in its first call, which is made before it is ready then.
        """
        line, output = self.measuring.line, None
        if compiles:
            with own_filters():
                output = self._first_call()
        line.answer(protocol.READY)
        deeds: Dict[str, Callable[[int], Any]] = {
            protocol.BEGIN: self._begin,
            protocol.WARM: lambda _: self._warm(output),
            protocol.TURN: self._turn,
            protocol.PART: self._part,
        }
        for word, number in line:
            if word == protocol.LEAVE:
                break
            answer = deeds[word](number)
            if self._is_wrong():
                return
            line.answer(word, answer or 0)
        self.measuring.handed_over = True

    def _is_wrong(self) -> bool:
        check = self.known.get("output")
        return check is not None and check.status == "failed"

    def _first_call(self) -> Any:
        with self.measuring.phase("first_call"):
            return self.turns.first_call()

    def _begin(self, _: int) -> None:
        self.cpus = witnesses.usable_cpus()
        self.known["witnesses_before"] = witnesses.counters(self.cpus)

    def _warm(self, output: Any) -> None:
        """The first of all turns; whoever is in a further heat is warm. output: of a first call."""
        if self.warm:
            return
        self.warm = True
        if not self.turns.warmup_ns:
            output = self._first_call()
        with self.measuring.phase("check"):
            self.measuring.outputs.first_fails(output, self.workload)
        if not self._is_wrong():
            with self.measuring.phase("warmup"):
                self.turns.warm_up()

    def _turn(self, number: int) -> int:
        with self.measuring.phase("samples"):
            return self.turns.take(number)

    def _part(self, heat: int) -> None:
        """Look at everything again, and write what was measured in the heat."""
        measuring, workload, synchronize = self.measuring, self.workload, self.backend.synchronize
        self.known["witnesses_after"] = witnesses.counters(self.cpus)
        rested_ns = self.turns.after_rests()
        copies = transfers(workload, synchronize, time.perf_counter_ns, self.device)
        with measuring.phase("check"):
            measuring.outputs.last_fails(self.turns.call(), workload)
        if self._is_wrong():
            return
        self.known["peak_memory_bytes"] = self.backend.peak_memory_bytes()
        size = batch_of(workload.args, workload.kwargs, measuring.spec.model.batch_dim)
        self.known["measurement"] = self.turns.part(size, rested_ns=rested_ns, **copies)
        measuring.look_back(workload, self.backend, self.states)
        part = TrialResult(Outcome.OK, "", dict(measuring.phases_s), **self.known)
        exchange.write(part, os.path.join(measuring.run_dir, protocol.PART_FILE.format(heat)))
        self.known.pop("measurement")  # what follows is of the next heat
