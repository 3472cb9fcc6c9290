"""The URL of a database: what is refused with what to type, and no secret is ever shown."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.command import npu_tune
from tests.support.runs import study_record
from tuner import text
from tuner.cli import tune
from tuner.cli.main import main
from tuner.errors import StorageError, StudyConflictError
from tuner.language import say
from tuner.runs import address, database
from tuner.runs.store import Store
from tuner.study import stored


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:s3cret@h:5432/db", "postgresql://u:***@h:5432/db"),
        ("postgresql://h/db?user=u&password=s3cret", "postgresql://h/db?user=u&password=***"),
        ("postgresql://u:s3@cret@h:port/db", "postgresql://***@h:port/db"),
        ("postgresql://u:s3@cret@h:5432/db", "postgresql://***@h:5432/db"),
        ("oracle://u/s3cret@h/db", "oracle://***@h/db"),
        ("postgresql://h/db?api_key=s3cret", "postgresql://h/db?api_key=***"),
        ("postgresql:/u:s3cret@h/db", "***@h/db"),
        ("sqlite:///results/npu-tune.db", "sqlite:///results/npu-tune.db"),
        ("sqlite:////home/a@b/x.db", "sqlite:////home/a@b/x.db"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, expected: str) -> None:
    assert address.shown(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://u:s3cret@h/db",
        "oracle9://u:s3cret@h/db",
        "postgresql+nodriver://u:s3cret@h/db",
        "postgresql://u:s3cret@h:port/db",
        "postgres://u:s3cret@h/db",
        "u:s3cret@h/db",
    ],
)
def test_an_error_shows_no_password(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match=r"storage .*\*\*\*") as raised:
        Store(url)
    assert "s3cret" not in "".join(traceback.format_exception(raised.value))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("said", ["s3 cret", "s3%20cret", "s3+cret"])
def test_what_a_driver_says_of_a_password_is_in_no_traceback(said: str) -> None:
    url = "postgresql://u:s3%20cret@h/db"
    with pytest.raises(StorageError) as raised, database.errors(url):
        raise OSError(f"no server takes {said!r}")
    assert "no server takes '***'" in str(raised.value)
    assert said not in "".join(traceback.format_exception(raised.value))


FILE = "sqlite:///results/npu-tune.db"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", f"it is in memory and would be lost with the command; give --storage {FILE}"),
        ("sqlite:///", "it is in memory"),
        (":memory:", "it is in memory"),
        ("sqlite:///:memory:", "it is in memory"),
        ("sqlite+pysqlite:///:memory:", "it is in memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "it is in memory"),
        ("sqlite:///file::memory:?uri=true", "it is in memory"),
        ("", f"it is empty; give --storage {FILE}"),
        ("results/x.db", "no URL of a database; give --storage sqlite:///results/x.db"),
        ("/data/x.db", "give --storage sqlite:////data/x.db"),
        ("my studies/x.db", "give --storage 'sqlite:///my studies/x.db'"),
        ("x.db", "give --storage sqlite:///x.db"),
        ("sqlite:x.db", "give --storage sqlite:///x.db"),
        ("sqlite:/x.db", "give --storage sqlite:///x.db or sqlite:////x.db"),
        ("sqlite://x.db", "give --storage sqlite:///x.db"),
        ("sqlite://results/x.db", "give --storage sqlite:///results/x.db"),
        ("postgres://u:s3cret@h/db", "give --storage 'postgresql://u:***@h/db'"),
        ("nonsense", "does not read as a URL of a database; check the URL"),
        ("sqlite:///x.db?timeout=soon", "could not convert string to float: 'soon'; check the URL"),
    ],
)
def test_what_is_no_database_that_stays_is_refused_with_the_right_form(
    url: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for reads in (False, True):
        with pytest.raises((StorageError, StudyConflictError)) as raised:
            Store(url, reads=reads)
        line = str(raised.value)
        assert said in line or (reads and "there is no database" in line)
        assert "\n" not in line


def test_a_home_folder_is_the_shell_s_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    with pytest.raises(StorageError, match=r"give --storage sqlite:////home/ann/x\.db"):
        Store("sqlite:///~/x.db")


def test_a_command_is_named_with_its_database_in_quotes() -> None:
    assert say(text.command("show", "s")) == "npu-tune show s"
    text.keep_in("sqlite:////data/my studies.db")
    named = "npu-tune show s --trial 1 --storage 'sqlite:////data/my studies.db'"
    assert say(text.command("show", "s", "--trial", "1")) == named


def test_the_command_that_resumes_shows_no_password() -> None:
    text.keep_in(address.shown("postgresql://u:s3cret@h/db"))
    assert tune._how_to_resume("s").endswith(
        "Continue with: npu-tune --resume --study s --storage 'postgresql://u:***@h/db' "
        "(type the password in the place of ***)"
    )


@pytest.mark.parametrize(
    "words",
    [["list", "postgresql://u:s3cret@h/db"], ["--model", "m", "--trials=://u:s3@cret@h"]],
    ids=["superfluous", "no number"],
)
def test_a_url_in_the_wrong_place_shows_no_password(words: list[str]) -> None:
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, "://u:***@h" in done.stderr) == (2, True), done.stderr
    assert "cret" not in done.stderr


def test_every_hint_names_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/my.db"
    store = Store(url)
    empty = npu_tune("list", "--storage", url).stdout
    assert f"begin with: npu-tune --model mobilenet_v2 --storage {url}\n" in empty
    store.create_study(study_record())
    assert stored.load(store, "s").trials_done == 0
    done = npu_tune("export", "s", "--storage", url)
    assert f"continue it with npu-tune --resume --study s --storage {url}\n" in done.stderr
    done = npu_tune("--model", "m", "--study", "s", "--storage", url)
    assert f"continue it with npu-tune --resume --study s --storage {url}, or" in done.stderr
