"""The doctor: every way an environment can be unfit is a sentence of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.support import DATA
from tuner.diagnose import doctor, host
from tuner.diagnose.host import Finding
from tuner.language import Message
from tuner.runs import npu_smi
from tuner.runs.device import Device
from tuner.runs.records import Run
from tuner.worker.facts import ProbeFacts
from tuner.worker.protocol import ModelSpec, Outcome, Role, TrialResult, TrialSpec

CANN_MISSING = "backend npu: torch_npu does not import: libhccl.so: cannot open shared object file"
ABORT = "terminate called after throwing\n  what():  Duplicated key pinned_reserve_segment_size_mb"


def run(outcome: Outcome = Outcome.OK, message: str = "", log: str = "", **facts: Any) -> Run:
    """A probe that ended so."""
    known = {"python": "3.11.7", "torch": "2.7.1+cpu", "torch_npu": "2.7.1.post2", **facts}
    spec = TrialSpec("", -1, Role.PROBE, "npu", ModelSpec("", ""), deadline_s=90)
    result = TrialResult(outcome, message, fingerprint=known)
    return Run(spec, result, log, datetime(2026, 11, 24, tzinfo=timezone.utc), 1)


def states(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.name, finding.state) for finding in findings]


def test_a_pair_that_fits_is_three_times_ok() -> None:
    findings = list(doctor.software("python", run(), run()))
    assert states(findings) == [("interpreter", "OK"), ("torch", "OK"), ("torch_npu", "OK")]


def test_without_torch_nothing_else_is_asked() -> None:
    failed = run(Outcome.ENVIRONMENT_ERROR, "python has no usable torch (ImportError): install it")
    findings = list(doctor.software("python", failed, failed))
    assert states(findings) == [("interpreter", "OK"), ("torch", "FAIL")]
    assert str(findings[1].seen) == "python has no usable torch (ImportError)"


def test_without_torch_npu_the_cpu_is_still_fine() -> None:
    findings = list(doctor.software("python", run(torch_npu=""), run(Outcome.ENVIRONMENT_ERROR)))
    assert states(findings)[2:] == [("torch_npu", "WARN")]


def test_without_torch_npu_a_host_with_npus_fails() -> None:
    torch_run, facts = run(torch_npu=""), ProbeFacts(npus=["/dev/davinci0"])
    torch_run = replace(torch_run, result=replace(torch_run.result, probe=facts))
    findings = list(doctor.software("python", torch_run, run(Outcome.ENVIRONMENT_ERROR)))
    assert states(findings)[2:] == [("torch_npu", "FAIL")]
    assert str(findings[2].seen) == "not installed, and there are NPUs here: /dev/davinci0"
    assert str(findings[2].todo) == (
        "install the one for this torch; the CPU is tuned with --backend cpu alone"
    )


def test_a_pair_that_does_not_fit_is_named_with_the_right_one() -> None:
    findings = list(doctor.software("python", run(torch="2.13.0"), run()))
    assert states(findings)[2:] == [("pairing", "FAIL")]
    assert str(findings[2].todo) == "install torch_npu 2.13.0: each goes with its own torch"


@pytest.mark.parametrize(
    ("ended", "seen", "todo"),
    [
        (run(Outcome.ENVIRONMENT_ERROR, CANN_MISSING), "libhccl.so", "source set_env.sh"),
        (
            run(Outcome.CRASHED, "killed by SIGABRT", ABORT),
            "its import ended the process: killed by SIGABRT; what():  Duplicated key",
            "does not go with a CUDA build",
        ),
        (run(Outcome.TIMEOUT, "no result"), "its import did not end within 90 s", "by hand"),
        (
            run(Outcome.ENVIRONMENT_ERROR, "Two accelerators cannot be used at the same time"),
            "Two accelerators",
            "install the CPU build of torch",
        ),
    ],
)
def test_each_way_an_import_fails_has_its_sentence(ended: Run, seen: str, todo: str) -> None:
    finding = list(doctor.software("python", run(), ended))[2]
    assert (finding.name, finding.state) == ("torch_npu", "FAIL")
    assert seen in str(finding.seen)
    assert todo in str(finding.todo)


@pytest.mark.parametrize(
    ("cann", "driver", "wanted"),
    [
        ("8.0.RC1", "23.0.3", ["OK", "OK"]),
        ("7.0.0", "23.0.rc1", ["WARN", "WARN"]),
        ("", "", ["WARN", "WARN"]),
        ("8.5.0-beta", "25.0.RC1.1", ["OK", "OK"]),
    ],
)
def test_cann_and_driver_are_held_against_what_the_knobs_need(
    cann: str, driver: str, wanted: list[str]
) -> None:
    seen = run(cann=cann, driver=driver, emulated_cann=False, devices=1, soc="Ascend910B3")
    findings = [c for c in doctor.devices(seen, None) if c.name in ("CANN", "driver")]
    assert [finding.state for finding in findings] == wanted


def listing(name: str, sick: str = "") -> npu_smi.Listing:
    """A product's listing; sick: the bus id of a chip whose health is a warning."""
    whole = npu_smi.parse((DATA / "npu_smi" / f"{name}.txt").read_text())
    chips = [
        replace(chip, health="Warning") if chip.values["Bus-Id"] == sick else chip
        for chip in whole.chips
    ]
    return replace(whole, chips=tuple(chips))


def health(listing: npu_smi.Listing, physical_id: int, logic_id: int) -> list[tuple[str, str]]:
    """What is said of each chip where such a one is to be measured."""
    chosen = Device(f"NPU {physical_id}", physical_id, logic_id)
    findings = doctor.devices(run(Outcome.CRASHED), listing, chosen)
    return states([finding for finding in findings if finding.name.startswith("NPU")])


def test_an_unhealthy_and_a_used_device_are_told_apart() -> None:
    assert health(listing("a2"), 0, 0) == [("NPU 0", "OK"), ("NPU 1", "WARN")]
    assert health(listing("a2"), 1, 1) == [("NPU 0", "OK"), ("NPU 1", "FAIL")]


def test_a_container_with_the_hosts_npu_4_alone_fails_for_that_one() -> None:
    chips = listing("a2").chips
    sick = [replace(chips[0], npu=str(n), health="Warning") for n in (0, 4)]
    two_sick = npu_smi.Listing(chips=tuple(sick))
    assert health(two_sick, 4, 0) == [("NPU 0", "WARN"), ("NPU 4", "FAIL")]


def test_of_two_chips_of_an_npu_the_chosen_one_fails() -> None:
    second = listing("a3", sick="0000:9F:00.0")
    assert health(second, 0, 0) == [("NPU 0 chip 0", "OK"), ("NPU 0 chip 1", "WARN")]
    assert health(second, 1, 1) == [("NPU 0 chip 0", "OK"), ("NPU 0 chip 1", "FAIL")]


def test_a_product_that_lists_devices_is_found_by_them() -> None:
    sick = listing("310p", sick="0000:81:00.0")
    assert health(sick, 0, 0) == [("NPU 4", "FAIL")]
    assert health(sick, 4, 4) == [("NPU 4", "WARN")]


def test_a_chip_whose_place_on_the_host_nothing_tells_is_a_warning() -> None:
    guessed = run(cann="8.5.0", driver="25.2.0", emulated_cann=False, devices=1, soc="Ascend910B3")
    chosen = Device("NPU 0", certain=False)
    findings = [c for c in doctor.devices(guessed, listing("a2"), chosen) if c.name == "device"]
    assert findings[1].state == "WARN"
    assert str(findings[1].seen) == (
        "which chip of the host it is, nothing tells: it is taken for NPU 0"
    )


def test_without_an_interpreter_the_host_is_still_examined() -> None:
    findings = doctor.examine("/nonexistent/python", None)
    seen = Message("{path}: there is none", {"path": "/nonexistent/python"})
    assert findings[0] == Finding("interpreter", "FAIL", seen, Message("name one with --python"))
    assert [finding.name for finding in findings[1:]] == [finding.name for finding in host.checks()]


def test_variables_that_slow_are_named() -> None:
    given = {"ASCEND_LAUNCH_BLOCKING": "1", "ASCEND_GLOBAL_LOG_LEVEL": "1"}
    findings = list(host.checks(Path("/nonexistent"), given))
    variables = [(str(c.seen), c.state) for c in findings if c.name == "variable"]
    assert variables == [
        ("ASCEND_LAUNCH_BLOCKING=1", "WARN"),
        ("ASCEND_GLOBAL_LOG_LEVEL=1", "WARN"),
    ]


def test_a_variable_that_means_nothing_fails_with_what_is_allowed() -> None:
    (finding,) = doctor.refused(ProbeFacts(refused={"STREAMS_PER_DEVICE": "16"}))
    assert (finding.name, finding.state, str(finding.seen)) == (
        "variable", "FAIL", "STREAMS_PER_DEVICE='16'",
    )  # fmt: skip
    allowed = "8, 32 (torch_npu warns and takes 32)"
    assert str(finding.todo) == f"correct it or unset it; allowed: {allowed}"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, []),
        ({"cpu_quota": 64.0}, [("OK", "the time of 64 processors, of 64", "None")]),
        (
            {"cpu_quota": 2.0},
            [
                (
                    "WARN",
                    "the time of 2 processors, of 64; throttled for 12.5 s so far",
                    "torch starts 64 threads and is stopped when the time is used up: set "
                    "OMP_NUM_THREADS=2, or raise the quota (docker run --cpus, cpu.max)",
                )
            ],
        ),
        (
            {"cpu_quota": 2.0, "variables": {"OMP_NUM_THREADS": "2"}},
            [("OK", "the time of 2 processors, of 64; throttled for 12.5 s so far", "None")],
        ),
    ],
)
def test_a_quota_of_processors_is_told_with_what_to_do(
    facts: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    of_host = {"usable_cpus": 64, "variables": {}, **facts}
    throttled_s = 12.5 if facts.get("cpu_quota") == 2.0 else 0.0
    findings = list(doctor.quota(of_host, throttled_s))
    assert [(f.state, str(f.seen), str(f.todo)) for f in findings] == expected


def test_host_settings_are_read_where_the_kernel_tells_them(tmp_path: Path) -> None:
    for name, text in {
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
        "proc/cpuinfo": "flags : fpu hypervisor",
        "proc/sys/kernel/numa_balancing": "1",
        "proc/sys/vm/swappiness": "0",
        "sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    findings = {c.name: (c.state, str(c.seen)) for c in host.checks(tmp_path, {})}
    assert findings["governor"] == ("WARN", "powersave")
    assert findings["machine"] == ("WARN", "a virtual machine")
    assert findings["numa_balancing"] == ("WARN", "1")
    assert findings["swappiness"] == ("OK", "0")
    assert findings["huge pages"] == ("WARN", "never")
