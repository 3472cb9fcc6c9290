"""The code of an engine for a user's own module: the text of what was measured."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from ..space.model import Value
from ..text import command

FOR_MYPY = "  # type: ignore[misc]"
CALL = "behind_engine("
WORKER = Path(__file__).parent.parent / "worker"
TREE, ENGINES = WORKER / "tree.py", WORKER / "applied" / "engines"


def written_by(name: str) -> str:
    """Where the function comes from that the code calls. name: of the study, or of its file."""
    module = command("export", name, "--format", "python")
    return f"# behind_engine: {module} writes a module with it"


def engine_of(value: Value) -> str:
    """The engine of a value of `execution` that needs a file."""
    return str(value).partition("-")[0]


def lines(engine: str) -> Iterator[str]:
    """What takes values apart, exports the file, the engine, what joins them; imports first."""
    paths = [TREE, *(ENGINES / f"{name}.py" for name in ("file", engine, "behind"))]
    texts = [path.read_text("utf-8") for path in paths]
    nodes = [(text, node) for text in texts for node in ast.parse(text).body]
    yield from _imports([node for _, node in nodes])
    for text, node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from ("", "", *_source(text, node))
        elif isinstance(node, ast.Assign):
            yield from ("", *_source(text, node))


def _imports(nodes: list[ast.stmt]) -> Iterator[str]:
    """Of Python, torch and the engine; what files of ours import from one another is all here."""
    plain, names = set(), set()
    for node in nodes:
        if isinstance(node, ast.Import):
            plain.add(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module != "__future__":
            names |= {(str(node.module), alias.name, alias.asname) for alias in node.names}
    yield from sorted(plain)
    for module in sorted({module for module, *_ in names}):
        own = sorted((n, a) for of, n, a in names if of == module)
        shown = ", ".join(f"{name} as {alias}" if alias else name for name, alias in own)
        yield f"from {module} import {shown}"


def _source(text: str, node: ast.stmt) -> list[str]:
    source = ast.get_source_segment(text, node) or ""
    return source.replace(FOR_MYPY, "").splitlines()
