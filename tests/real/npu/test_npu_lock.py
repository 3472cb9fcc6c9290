"""The chip of the host is locked, as the worker's own environment has it (emulated CANN)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.cann_emulator import build
from tests.support.npu import CONVNET, env_script
from tests.support.runs import recorded, study_record
from tuner.errors import BaselineError, StudyConflictError
from tuner.options import Setup
from tuner.runs import lease
from tuner.runs.records import Run
from tuner.runs.store import Store
from tuner.study import repeat, session
from tuner.study.runner import Caller
from tuner.worker.protocol import TrialSpec

Tune = Callable[[], object]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path}/s.db")


@pytest.fixture
def tune(
    torch_python: str, torch_npu_site: Path, cann: Path, store: Store, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Tune:  # fmt: skip
    """A study that does not wait, in a container with the host's NPU 4 and 5 that shows it 5."""
    monkeypatch.setenv("NPU_TUNE_LOCKS", str(tmp_path / "locks"))
    emulated = build.environment(cann, devices=2, physical_ids="4,5")
    variables = {**emulated, "PYTHONPATH": str(torch_npu_site), "ASCEND_RT_VISIBLE_DEVICES": "1"}
    script = env_script(tmp_path, variables)
    setup = Setup(CONVNET, trials=1, backend="npu", python=torch_python, env_script=script)
    return lambda: session.tune(setup, store, "s", Caller(), tmp_path / "results")


def test_what_a_script_makes_visible_decides_which_chip_is_locked(tune: Tune) -> None:
    with (
        lease.held("NPU 5", "first", None, lambda: False),
        pytest.raises(StudyConflictError, match="NPU 5 is being measured by study first"),
    ):
        tune()


def test_the_probe_decides_where_another_chip_was_expected(
    tune: Tune, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def located(*_: object) -> str:
        return "NPU 0"

    monkeypatch.setattr(session, "located", located)
    with (
        lease.held("NPU 5", "first", None, lambda: False),
        pytest.raises(StudyConflictError, match="NPU 5 is being measured by study first"),
    ):
        tune()
    lease.wait_until_free("NPU 0", None, lambda: False)
    assert store.studies() == []


def test_the_probe_already_holds_the_chip_that_it_will_most_likely_use(
    tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    holders: list[str] = []

    def probe(*_: object) -> None:
        holders.append(lease.holder("NPU 5"))
        raise BaselineError("it was only asked")

    monkeypatch.setattr(session, "probe", probe)
    with pytest.raises(BaselineError):
        tune()
    assert holders[0].startswith("NPU 5 is being measured by study s")


@dataclass(frozen=True)
class Probed:
    """A launcher whose probe finds such a chip."""

    folder: Path
    physical_id: int = 0
    lease: int | None = None

    def run(self, spec: TrialSpec) -> Run:
        """The probe's answer."""
        chip = {"physical_id": self.physical_id, "source": "driver", "logic_id": 0}
        run = recorded(0, 1).run
        result = replace(run.result, fingerprint={"chip": {**chip, "pci_bus_id": ""}})
        return replace(run, spec=spec, result=result)


def test_runs_that_are_repeated_hold_the_chips_that_their_probes_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPU_TUNE_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setattr(repeat, "located", lambda *_: None)
    monkeypatch.setattr(repeat, "make_launcher", lambda _, folder: Probed(folder, int(folder.name)))
    record = study_record()
    on_npu = replace(record, space={**record.space, "backend": "npu"})
    with lease.holding("s", None, lambda: False) as hold:
        places = [(on_npu, tmp_path / name) for name in ("5", "4", "5")]
        locks = [launcher.lease for launcher in repeat.ready(places, hold)]
        assert locks[0] == locks[2] != locks[1]
        for name in ("NPU 4", "NPU 5"):
            assert lease.holder(name).startswith(f"{name} is being measured by study s")
