"""What a search space file may hold."""

from __future__ import annotations

from typing import Any, Literal

from packaging.specifiers import SpecifierSet
from pydantic import BaseModel, ConfigDict, Field, field_validator

Need = Literal[
    "dispatch-bound", "device-bound", "copy-bound", "overhead-bound", "operator-bound",
    "conversions", "page-faults",
]  # fmt: skip


class Part(BaseModel):
    """Of the file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ValueEntry(Part):
    """One value of a knob. `{library}` in `set` stands for the path of the library found.

    code: Python that sets it in a user's program, on `model` and `inputs` where it is about them.
    file: of an engine, what its file ends in; its code has `behind_engine` then.
    """

    value: str | int | float | bool
    set: dict[str, str] = Field(default_factory=dict)
    shared_library: str = ""
    code: str = ""
    file: str = ""
    needs: dict[str, str] = Field(default_factory=dict)
    changes_numbers: Literal["no", "rounding", "lossy"] | None = None

    @field_validator("needs")
    @classmethod
    def _specifiers(cls, needs: dict[str, str]) -> dict[str, str]:
        for specifier in needs.values():
            SpecifierSet(specifier)
        return needs


class KnobEntry(Part):
    """One knob as the file has it.

    helps_when: what a profile may find -> the values that are worth a try then, or any.
    """

    why: str
    why_zh: str = ""
    apply: Literal["environment", "process", "input", "model", "measurement"]
    default: str | int | float | bool
    values: list[ValueEntry | str | int | float | bool] = Field(min_length=1)
    handler: str = ""
    code: str = ""  # of every value that has none of its own; `{value}` stands for it
    at_most: Literal["", "cpus"] = ""
    needs: dict[str, str] = Field(default_factory=dict)
    changes_numbers: Literal["no", "rounding", "lossy"] = "no"
    helps_when: dict[Need, list[str | int | float | bool] | Literal["any"]] = Field(
        default_factory=dict
    )

    def entries(self) -> list[ValueEntry]:
        """Every value in its long form."""
        return [v if isinstance(v, ValueEntry) else ValueEntry(value=v) for v in self.values]

    def code_of(self, value: str | int | float | bool) -> str:
        """Python that sets this value; "" where the file has none."""
        own = next((entry.code for entry in self.entries() if entry.value == value), "")
        return own or self.code.replace("{value}", str(value))

    def file_of(self, value: str | int | float | bool) -> str:
        """What an engine's file ends in; "" for a value that needs none."""
        return next((entry.file for entry in self.entries() if entry.value == value), "")


class PresetEntry(Part):
    """A named configuration, with the reason why it is worth a try."""

    why: str
    configuration: dict[str, str | int | float | bool]


class RuleEntry(Part):
    """Where all of `when` hold, all of `require` must."""

    when: dict[str, Any]
    require: dict[str, Any]
    why: str
    why_zh: str = ""


class SpaceFile(Part):
    """The whole file."""

    name: str
    backend: Literal["cpu", "npu"]
    knobs: dict[str, KnobEntry] = Field(min_length=1)
    presets: dict[str, PresetEntry] = Field(default_factory=dict)
    rules: list[RuleEntry] = Field(default_factory=list)
