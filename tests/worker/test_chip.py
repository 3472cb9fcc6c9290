"""Which chip of the host a number means, where neither CANN nor the driver tells it."""

from __future__ import annotations

import os

import pytest

from tuner.worker import chip


def test_the_nodes_of_a_container_are_counted_in_the_order_of_their_numbers() -> None:
    names = ["davinci10", "davinci4", "davinci_manager", "null", "davinci4p1"]
    assert chip.physical_ids(names) == [4, 10]


@pytest.mark.parametrize(
    ("device", "visible", "logic_id"),
    [
        (0, None, 0),
        (1, None, 1),
        (0, "3,4", 3),
        (1, "3,4", 4),
        (2, "3,4", 2),
        (0, "", 0),
        (1, "3,x", 1),
    ],
)
def test_visible_devices_renumber_what_the_container_sees(
    device: int, visible: str | None, logic_id: int
) -> None:
    variables = {} if visible is None else {"ASCEND_RT_VISIBLE_DEVICES": visible}
    assert chip.logic_id_of(device, variables) == logic_id


@pytest.mark.parametrize(
    ("text", "visible", "wrong"),
    [
        (None, None, ""),
        ("", None, ""),
        ("0,1", [0, 1], ""),
        ("2", [2], ""),
        ("1, 2,3", [1], "what follows ',' is no number"),
        ("3,1", [3, 1], "numbers must ascend"),
        ("1,1", [1, 1], "numbers must ascend"),
        ("all", [], "it begins with no number"),
        ("1,-1,2", [1], "what follows ',' is no number"),
    ],
)
def test_visible_devices_are_read_as_cann_reads_them(
    text: str | None, visible: list[int] | None, wrong: str
) -> None:
    variables = {} if text is None else {"ASCEND_RT_VISIBLE_DEVICES": text}
    assert chip.visible(variables) == (visible, wrong)


@pytest.mark.parametrize(
    ("device", "text", "said"),
    [
        (
            2,
            "4,6",
            "--device 2: ASCEND_RT_VISIBLE_DEVICES=4,6 leaves 2 devices, which are 0 and 1 here: "
            "give one of those, or change the variable",
        ),
        (
            4,
            "4",
            "--device 4: ASCEND_RT_VISIBLE_DEVICES=4 leaves 1 device, which is 0 here: give that, "
            "or change the variable",
        ),
        (
            0,
            "3,1",
            "ASCEND_RT_VISIBLE_DEVICES='3,1' in the environment: numbers must ascend: correct it "
            "or unset it",
        ),
        (1, "4,6", ""),
        (None, "4", ""),
        (7, None, ""),
    ],
)
def test_a_device_that_the_variable_hides_is_refused_in_one_line(
    device: int | None, text: str | None, said: str
) -> None:
    variables = {} if text is None else {"ASCEND_RT_VISIBLE_DEVICES": text}
    assert chip.why_hidden(device, variables) == said


def test_nodes_of_devices_and_npu_smi_are_marks_of_npus() -> None:
    names = ["davinci1", "davinci0", "davinci_manager"]
    assert chip.marks(names, lambda _: None) == ["/dev/davinci0", "/dev/davinci1"]
    assert chip.marks([], lambda name: f"/usr/local/bin/{name}") == ["/usr/local/bin/npu-smi"]
    assert chip.marks(["null"], lambda _: None) == []


@pytest.mark.parametrize(
    ("nodes", "physical_id", "source"),
    [(["davinci4", "davinci6"], 6, "/dev/davinci*"), ([], 1, "")],
)
def test_without_an_answer_the_nodes_decide_and_without_those_it_is_a_guess(
    nodes: list[str], physical_id: int, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASCEND_RT_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(chip, "_library", lambda _: None)
    monkeypatch.setattr(os, "listdir", lambda _: nodes)
    assert chip.identity(1, ask_cann=True) == {
        "physical_id": physical_id, "source": source, "logic_id": 1, "pci_bus_id": "",
    }  # fmt: skip
