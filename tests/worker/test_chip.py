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
    [(0, None, 0), (1, None, 1), (0, "3,4", 3), (1, "3,4", 4), (2, "3,4", 2), (0, "", 0)],
)
def test_visible_devices_renumber_what_the_container_sees(
    device: int, visible: str | None, logic_id: int
) -> None:
    variables = {} if visible is None else {"ASCEND_RT_VISIBLE_DEVICES": visible}
    assert chip.logic_id_of(device, variables) == logic_id


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
