"""Databases for studies in the tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from optuna.storages import InMemoryStorage

from tests.support.once import once
from tuner.runs.store import Store


def _make_tables(folder: Path) -> None:
    store = Store(f"sqlite:///{folder}/test.db")
    store.optuna_storage()
    store.close()


@pytest.fixture
def whole_store(shared: Path, tmp_path: Path) -> Store:
    """A database with all its tables, Optuna's too."""
    tables = once(shared / "tables", _make_tables)
    shutil.copy(tables / "test.db", tmp_path / "test.db")
    return Store(f"sqlite:///{tmp_path}/test.db")


@pytest.fixture
def store(whole_store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A database without Optuna's trials: those are in memory, for what does not die."""
    trials = InMemoryStorage()
    monkeypatch.setattr(whole_store, "optuna_storage", lambda: trials)
    return whole_store
