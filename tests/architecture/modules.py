"""Pure: the source tree as data, for the architecture tests."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("services", "shared", "schemas")


@cache
def modules() -> dict[str, ast.Module]:
    """Syntax tree by dotted name, of all our own modules."""
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(file.read_text())
        for part in PARTS
        for file in sorted((ROOT / part).rglob("*.py"))
    }


def imports(tree: ast.Module) -> Iterator[str]:
    """Every dotted name a module imports, wherever in it; `from a import b` gives a.b, and so a too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_any(tree: ast.Module, *prefixes: str) -> list[str]:
    """The imports that are, or are below, one of `prefixes`."""
    return sorted({name for name in imports(tree) if any(name == p or name.startswith(f"{p}.") for p in prefixes)})


def is_pure(tree: ast.Module) -> bool:
    return (ast.get_docstring(tree) or "").startswith("Pure:")
