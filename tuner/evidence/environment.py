"""Two fingerprints against each other: in what they differ, and whether it is one environment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Of another of these, runs are runs of another environment; what else differs is only told.
VERSIONS = (
    "python", "torch", "torchvision", "torch_npu", "onnxruntime", "openvino",
    "cann", "driver", "soc",
)  # fmt: skip
# Which of the chips of a host it was makes no difference: they are alike.
NOT_ENVIRONMENT = ("executable", "chip", "ASCEND_RT_VISIBLE_DEVICES")


@dataclass(frozen=True)
class Difference:
    """One item of the fingerprint."""

    name: str
    before: str
    after: str

    @property
    def is_of_version(self) -> bool:
        """Does it make another environment? Another patch of Python does not."""
        patched = self.name == "python" and _minor(self.before) == _minor(self.after)
        return self.name in VERSIONS and not patched


def differences(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Difference]:
    """The items in which two fingerprints differ, variables one by one."""
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name, ""), after.get(name, "")
        if name in NOT_ENVIRONMENT or old == new:
            continue
        if isinstance(old or new, dict) and isinstance(new or old, dict):
            yield from differences(old or {}, new or {})
        else:
            yield Difference(name, shown(old), shown(new))


def upgrade(before: dict[str, Any], after: dict[str, Any]) -> Difference | None:
    """The first difference that makes it another environment; None where it is the same one.

    What an earlier version of this tool did not look for is none.
    """
    known = (d for d in differences(before, after) if d.name in before)
    return next((d for d in known if d.is_of_version), None)


def shown(value: Any) -> str:
    """An item's value as text."""
    if isinstance(value, dict):
        return " ".join(f"{name}={item}" for name, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
