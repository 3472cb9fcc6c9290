"""What `npu-smi info` says. Layouts differ by product and driver: the header names the cells."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field

TIMEOUT_S = 20
CELL = re.compile(r"\d+\s*/\s*\d+|\S+")  # `2847 / 32768` is one value


@dataclass(frozen=True)
class Chip:
    """One chip of an NPU. values: header -> text, for example "Temp(C)" -> "41".

    processes: their ids; those of its NPU, where a row does not tell the chip.
    """

    npu: str
    chip: str
    name: str
    health: str
    values: dict[str, str]
    processes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Listing:
    """All chips and the driver's version."""

    driver: str = ""
    chips: tuple[Chip, ...] = field(default_factory=tuple)


def run(timeout_s: float = TIMEOUT_S) -> Listing | None:
    """Ask npu-smi; None where it is not there, or does not answer."""
    try:
        answer = subprocess.run(
            ["npu-smi", "info"], capture_output=True, text=True, timeout=timeout_s, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse(answer.stdout)


def parse(text: str) -> Listing:
    """Read a listing; what is not understood is left out."""
    version = re.search(r"Version:\s*(\S+)", text)
    rows = [line.strip().strip("|").split("|") for line in text.splitlines() if "|" in line]
    headers: list[list[list[str]]] = []
    chips: list[dict[str, str]] = []
    processes: dict[tuple[str, ...], list[int]] = {}
    for row in rows:
        words = [cell.split() for cell in row]
        if words[0][:1] in (["NPU"], ["Chip"]):
            headers = [*headers, words] if words[0][0] == "Chip" else [words]
        elif headers and ["Process", "id"] in headers[0]:
            if len(row) > 1 and row[1].strip().isdigit():
                processes.setdefault(tuple(words[0]), []).append(int(row[1]))
        elif len(headers) == 2 and len(row) == len(headers[0]):
            if not chips or "Bus-Id" in chips[-1]:
                chips.append({})
            header = headers[1] if chips[-1] else headers[0]
            chips[-1].update(_named(header, row))
    return Listing(
        driver=version[1] if version else "",
        chips=tuple(_chip(values, processes) for values in chips if "NPU" in values),
    )


def _named(header: list[list[str]], row: list[str]) -> dict[str, str]:
    """Each value of a row under the word of the header above it."""
    return {
        name: value
        for names, cell in zip(header, row, strict=True)
        for name, value in zip(names, CELL.findall(cell), strict=False)
    }


def _chip(values: dict[str, str], processes: dict[tuple[str, ...], list[int]]) -> Chip:
    """processes: by NPU and chip, or by the NPU alone."""
    npu, chip = values["NPU"], values.get("Chip", "")
    return Chip(
        npu=npu,
        chip=chip,
        name=values.get("Name", ""),
        health=values.get("Health", ""),
        values=values,
        processes=(*processes.get((npu,), ()), *processes.get((npu, chip), ())),
    )
