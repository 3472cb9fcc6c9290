"""An emulation of CANN is known by more than what it says of itself."""

from __future__ import annotations

import pytest

from tuner.worker.backends import npu


class Library:
    """What has been loaded as CANN."""


class Emulation(Library):
    """One that says so."""

    emulated_cann = "7.0"


@pytest.mark.parametrize(
    ("library", "nodes", "emulated"),
    [
        (Library(), [], True),
        (Library(), ["/dev/davinci_manager"], False),
        (Emulation(), [], True),
        (Emulation(), ["/dev/davinci_manager"], True),
    ],
)
def test_an_emulation_is_known_by_its_word_and_by_the_device_that_is_not_there(
    library: Library, nodes: list[str], emulated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _: library)
    monkeypatch.setattr("glob.glob", lambda _: nodes)
    assert npu.is_emulated() is emulated
