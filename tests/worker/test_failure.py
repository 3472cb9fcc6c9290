"""What an exception stands for, and what is said of it."""

from __future__ import annotations

import pytest

from tuner.worker.failure import one_line, outcome_of
from tuner.worker.protocol import Outcome


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
            "TypeError: forward() got an unexpected keyword argument 'ids'; to pass the dict as "
            "one argument return (model, (inputs,))",
        ),
    ],
)
def test_an_error_has_an_outcome_and_says_what_to_do(
    error: Exception, outcome: Outcome, said: str
) -> None:
    assert (outcome_of(error), one_line(error)) == (outcome, said)
