"""What an exception stands for, and what is said of it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tuner.worker import failure
from tuner.worker.failure import one_line, outcome_of
from tuner.worker.protocol import KnobSetting, Outcome

JEMALLOC = KnobSetting(
    "allocator", "jemalloc", "environment", "allocator", {"LD_PRELOAD": "/o/libjemalloc.so.2:/a.so"}
)
MISSING = "libcudart.so.12: cannot open shared object file: No such file or directory"
SYMBOL = "/m/_C.so: undefined symbol: _ZN3c104impl"
GLIBC = "/lib64/libc.so.6: version `GLIBC_2.34' not found (required by /m/_C.so)"
TLS = "/m/libgomp.so.1: cannot allocate memory in static TLS block"


@pytest.mark.parametrize(
    ("error", "outcome", "said"),
    [
        (
            ImportError("/opt/libgomp.so.1: cannot allocate memory in static TLS block"),
            Outcome.ENVIRONMENT_ERROR,
            "/opt/libgomp.so.1: cannot allocate memory in static TLS block: it was loaded too "
            "late: export LD_PRELOAD=/opt/libgomp.so.1",
        ),
        (
            RuntimeError("mmap: cannot allocate memory"),
            Outcome.OUT_OF_MEMORY,
            "RuntimeError: mmap: cannot allocate memory",
        ),
        (
            TypeError("forward() got an unexpected keyword argument 'ids'"),
            Outcome.CRASHED,
            "TypeError: forward() got an unexpected keyword argument 'ids': leave it out of the "
            "example inputs, or to pass the dict as one argument return (model, (inputs,))",
        ),
        (
            TypeError("forward() missing 1 required positional argument: 'image2'"),
            Outcome.CRASHED,
            "TypeError: forward() missing 1 required positional argument: 'image2'; each item of a "
            "tuple of example inputs, and each --input, is one argument; to pass the dict as one "
            "argument return (model, (inputs,))",
        ),
    ],
)
def test_an_error_has_an_outcome_and_says_what_to_do(
    error: Exception, outcome: Outcome, said: str
) -> None:
    assert (outcome_of(error), one_line(error)) == (outcome, said)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ImportError(MISSING, path="/m/_C.so"),
            f"ImportError: {MISSING}: /m/_C.so needs libcudart.so.12, which the loader does not "
            "find",
        ),
        (OSError(MISSING), f"OSError: {MISSING}: the loader does not find libcudart.so.12"),
        (
            ImportError(SYMBOL, path="/m/_C.so"),
            f"ImportError: {SYMBOL}: /m/_C.so was built for other versions of what it needs than "
            "those here",
        ),
        (
            ImportError(GLIBC, path="/m/_C.so"),
            f"ImportError: {GLIBC}: /m/_C.so was built for a newer system than this",
        ),
    ],
)
def test_what_the_loader_misses_is_named_with_the_file_that_needs_it(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert one_line(error) == said


def test_a_model_whose_own_import_fails_in_the_loader_is_told_that_torch_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "m.py"
    model.write_text("def make():\n    raise ImportError(WORDS, path='/m/_C.so')\n")
    names = {"WORDS": MISSING}
    exec(compile(model.read_text(), str(model), "exec"), names)
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    with pytest.raises(ImportError) as raised:
        names["make"]()  # type: ignore[operator]
    assert one_line(raised.value) == (
        f"ImportError: {MISSING} (m.py:2): /m/_C.so needs libcudart.so.12, which the loader does "
        "not find; torch itself is loaded: what fails is the model's own"
    )


@pytest.mark.parametrize(
    ("error", "knobs", "outcome", "said"),
    [
        (
            ModuleNotFoundError("No module named 'torch'"), [], Outcome.ENVIRONMENT_ERROR,
            "/p/python has no usable torch (ModuleNotFoundError: No module named 'torch'): install "
            "it there, or choose another interpreter with --python",
        ),
        (
            ImportError("libgomp.so.1: cannot open shared object file", path="/t/_C.so"), [],
            Outcome.ENVIRONMENT_ERROR,
            "/p/python: torch's own import fails in the loader: ImportError: libgomp.so.1: cannot "
            "open shared object file: /t/_C.so needs libgomp.so.1, which the loader does not find",
        ),
        (
            ImportError(TLS), [], Outcome.ENVIRONMENT_ERROR,
            f"/p/python: torch's own import fails in the loader: {TLS}: it was loaded too late: "
            "export LD_PRELOAD=/m/libgomp.so.1",
        ),
        (
            ImportError(TLS), [JEMALLOC], Outcome.UNSUPPORTED,
            "allocator=jemalloc preloads /o/libjemalloc.so.2:/a.so, with which torch does not "
            f"import: {TLS}: it was loaded too late: export LD_PRELOAD=/m/libgomp.so.1",
        ),
    ],
)  # fmt: skip
def test_an_import_of_torch_that_fails_is_laid_at_the_right_door(
    error: Exception,
    knobs: list[KnobSetting],
    outcome: Outcome,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "executable", "/p/python")
    refused = failure.without_torch(error, knobs)
    assert (refused.outcome, str(refused)) == (outcome, said)
