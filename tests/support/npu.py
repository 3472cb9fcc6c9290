"""Runs of a small convnet on the real torch_npu with an emulated CANN: no figure is a device's."""

from __future__ import annotations

import hashlib
import pickle
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.support import DATA
from tests.support.cann_emulator import build
from tests.support.cann_emulator.calls import Calls, of_processes
from tests.support.once import once
from tuner.runs.launcher import Launcher
from tuner.runs.records import Run
from tuner.space import file
from tuner.space.variables import rules
from tuner.worker.protocol import (
    KnobSetting,
    MeasurementRule,
    ModelSpec,
    ProbeRequest,
    Role,
    TrialResult,
    TrialSpec,
)

A2, A3, OLD = "Ascend910B3", "Ascend910_9391", "Ascend310P3"
RULE = MeasurementRule(
    warmup_calls=2, min_samples=5, min_time_s=0.0, max_time_s=1.0, blocks=3, block_time_s=0.001
)
CONVNET = f"{DATA / 'models' / 'tiny.py'}:convnet"
SPACE = file.load(file.find("npu-extended"))
UNSET = {knob.name: "unset" for knob in SPACE.space.knobs if knob.default == "unset"}


@dataclass(frozen=True)
class Emulation:
    """A run, and what its process called."""

    run: Run
    calls: Calls

    @property
    def result(self) -> TrialResult:
        """What the run resulted in."""
        return self.run.result


@dataclass(frozen=True)
class Emulated:
    """Runs specs under an emulated CANN with these parameters.

    folder: the test's own. shared: where runs lie that several tests read.
    """

    python: str
    site: Path
    libraries: Path
    folder: Path
    shared: Path

    def launcher(self, **parameters: Any) -> Launcher:
        """A launcher whose workers find torch_npu and the emulation; call statistics are kept."""
        calls = self.folder / "calls"
        calls.mkdir(exist_ok=True)
        variables = build.environment(self.libraries, stats=calls, **parameters)
        return Launcher(
            self.python, self.folder / "runs", {**variables, "PYTHONPATH": str(self.site)}
        )

    def run(
        self, knobs: dict[str, Any] | None = None, spec: Any = None, **parameters: Any
    ) -> Emulation:
        """A run such as `fresh` makes, made once a session."""
        parameters = {"soc": A2, **parameters}
        what = repr((settings(knobs or {}), spec, sorted(parameters.items())))
        place = self.shared / f"npu-{hashlib.sha256(what.encode()).hexdigest()[:16]}"

        def make(folder: Path) -> None:
            run = replace(self, folder=folder).fresh(knobs, spec, **parameters)
            (folder / "run.pickle").write_bytes(pickle.dumps(run))

        emulation: Emulation = pickle.loads((once(place, make) / "run.pickle").read_bytes())
        return emulation

    def fresh(
        self, knobs: dict[str, Any] | None = None, spec: Any = None, **parameters: Any
    ) -> Emulation:
        """One baseline run with some knobs set, in the test's folder."""
        wanted = TrialSpec(
            study="s",
            trial=0,
            role=Role.BASELINE,
            backend="npu",
            model=ModelSpec("python_file", CONVNET),
            knobs=settings(knobs or {}),
            batch_size=1,
            rule=RULE,
            deadline_s=120,
            weights_path=str(self.folder / "weights.pt"),
            reference_path=str(self.folder / "outputs.pt"),
        )
        run = self.launcher(**parameters).run(replace(wanted, **(spec or {})))
        calls = of_processes(self.folder / "calls")
        return Emulation(run, calls[-1] if calls else Calls())

    def probe(
        self,
        device: int | None = None,
        parameters: dict[str, Any] | None = None,
        request: ProbeRequest | None = None,
        **variables: str,
    ) -> TrialResult:
        """A probe with some variables of the user's own."""
        launcher = self.launcher(**(parameters or {}))
        launcher = replace(launcher, variables={**launcher.variables, **variables})
        spec = TrialSpec(
            "", -1, Role.PROBE, "npu", ModelSpec("python_file", CONVNET), device=device,
            deadline_s=120, weights_path=str(self.folder / "weights.pt"),
            probe=request or ProbeRequest({"task_queue": [0, 1, 2]}, variables=rules()),
        )  # fmt: skip
        return launcher.run(spec).result


def env_script(folder: Path, variables: dict[str, str]) -> str:
    """A script for --env-script that sets these variables."""
    script = folder / "set_env.sh"
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    script.write_text("".join(lines))
    return str(script)


def settings(knobs: dict[str, Any]) -> list[KnobSetting]:
    """Knobs as the extended search space has them, in its order."""
    return [knob.setting(knobs[knob.name]) for knob in SPACE.space.knobs if knob.name in knobs]
