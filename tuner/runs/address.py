"""The URL of a database: how it may be printed, and whether it names one that stays."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import quote, quote_plus

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..errors import StorageError
from ..options import DEFAULT_STORAGE
from ..text import HIDDEN

SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|auth|cred|odbc_connect", re.I)
SECRET_ARGUMENT = re.compile(rf"([?&][^=&]*(?:{SECRET_NAME.pattern})[^=&]*=)[^&]*", re.I)
USER_INFO = re.compile(r"^(?P<before>[^/@]*?://)?(?P<secret>.*)@")
PASSWORD = re.compile(r"^(.*?://[^:/@]*:)[^@]*@")
PASSWORD_IN_TEXT = re.compile(r"(://[^\s:/@'\"]*[:/])[^\s'\"]*@")
IN_MEMORY = "it is in memory and would be lost with the command"
RENAMED = {"postgres": "postgresql", "sqlite3": "sqlite", "file": "sqlite"}


def shown(url: str) -> str:
    """A URL as it may be printed: with *** for what is secret in it."""
    parsed = parse(url)
    if parsed is None or _is_mistaken(parsed):  # nothing says where the password begins
        text = USER_INFO.sub(rf"\g<before>{HIDDEN}@", url)
    else:
        text = PASSWORD.sub(rf"\1{HIDDEN}@", url)
    return SECRET_ARGUMENT.sub(rf"\1{HIDDEN}", text)


def without_passwords(text: str) -> str:
    """Any text, such as a word of the command line, with *** for passwords of URLs in it."""
    return PASSWORD_IN_TEXT.sub(rf"\1{HIDDEN}@", text)


def without_secrets(text: str, url: str) -> str:
    """A text of a driver, with *** for what is secret in this URL."""
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def parse(url: str) -> URL | None:
    """None for what is no URL."""
    try:
        return make_url(url)
    except (ArgumentError, ValueError):  # ValueError: the port is no number
        return None


def is_sqlite(url: URL) -> bool:
    """Is it a file, not a server?"""
    return url.get_backend_name() == "sqlite"


def file_of(url: URL) -> Path | None:
    """The file of an SQLite database; None for a `file:` URI, on a server."""
    name = url.database if is_sqlite(url) else None
    return Path(name) if name and name != ":memory:" and not name.startswith("file:") else None


def usable(url: str) -> URL:
    """The URL of a database that is there when the command is over.

    Raises StorageError, with the form to type where it can be known.
    """
    if not url.strip():
        raise _refused(url, "it is empty", DEFAULT_STORAGE)
    if url == ":memory:":
        raise _refused(url, IN_MEMORY, DEFAULT_STORAGE)
    right = _right_form(url)
    if right:
        raise _refused(url, "it is no URL of a database", *right)
    parsed = parse(url)
    if parsed is None:
        raise unusable(url, "it does not read as a URL of a database")
    if is_sqlite(parsed) and _is_in_memory(parsed):
        raise _refused(url, IN_MEMORY, DEFAULT_STORAGE)
    return parsed


def unusable(url: str, reason: str) -> StorageError:
    """What is said of a database that cannot be used."""
    return StorageError(
        f"storage {shown(url)}: {reason}; check the URL (for example {DEFAULT_STORAGE}) and that "
        "its folder can be written"
    )


def _refused(url: str, reason: str, *right: str) -> StorageError:
    forms = " or ".join(map(shlex.quote, right))
    return StorageError(f"storage {shown(url)}: {reason}; give --storage {forms}")


def _right_form(url: str) -> tuple[str, ...]:
    """What was meant by half a URL, as it may be printed."""
    scheme, _, rest = url.partition(":")
    renamed = RENAMED.get(scheme.lower(), scheme.lower())
    if "/" in scheme or not _:
        is_file = "/" in url or Path(url).suffix in (".db", ".sqlite", ".sqlite3")
        return (_of_file(url),) if is_file and "@" not in url and "?" not in url else ()
    if renamed == "sqlite" and not rest.startswith("///"):
        name = rest.removeprefix("//")
        if not name or "@" in name or ":memory:" in name or "mode=memory" in name:
            return ()
        if rest.startswith("/") and not rest.startswith("//"):
            return _of_file(name[1:]), _of_file(name)
        return (_of_file(name),)
    if renamed == "sqlite" and rest.startswith("///~/"):
        return (_of_file(str(Path(rest[3:]).expanduser())),)
    if renamed != scheme and rest.startswith("//"):
        return (shown(f"{renamed}:{rest}"),)
    return ()


def _of_file(name: str) -> str:
    return f"sqlite:///{Path(name).expanduser() if name.startswith('~/') else name}"


def _is_in_memory(url: URL) -> bool:
    name = url.database or ""
    return not name or ":memory:" in name or url.query.get("mode") == "memory"


def _is_mistaken(url: URL) -> bool:
    """Has an unquoted character of a password, @ or /, come to stand where none can be?"""
    on_server = not is_sqlite(url) or bool(url.host)
    return "@" in (url.host or "") or (on_server and "@" in (url.database or ""))


def _secrets(url: str) -> set[str]:
    """As they were typed, and as a driver may say them."""
    parsed, raw = parse(url), USER_INFO.match(url)
    secrets = {str(parsed.password)} if parsed is not None and parsed.password else set[str]()
    if raw is not None:
        secrets.add(raw["secret"].partition(":")[2])
    for name, value in parsed.query.items() if parsed is not None else ():
        if SECRET_NAME.search(name):
            secrets |= {value} if isinstance(value, str) else set(value)
    return {form for one in secrets for form in (one, quote(one), quote_plus(one)) if form}
