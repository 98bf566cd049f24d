"""Edge: what people read goes through one console, which shows every string as text."""

import ast

from tests.architecture.modules import imports_any, modules

CONSOLE = "services.cli.output"
WRITES_ITSELF = {"services.cli.entry", "services.cli.reference.doc_tables", "services.cli.demo.sample",
                 "services.cli.commands.schema", "services.cli.commands.trace"}  # fmt: skip
"""What these write to standard output is our own: sentences, paths, documents; a trace line is made visible there."""


def test_nobody_else_makes_a_console_or_reads_markup() -> None:
    banned = ("rich.console.Console", "rich.markup", "rich.print", "rich.get_console", "click.echo", "typer.echo")
    commands = {n: t for n, t in modules().items() if n.startswith("services.cli") and n != CONSOLE}
    assert len(commands) > 20
    assert {name: found for name, tree in commands.items() if (found := imports_any(tree, *banned))} == {}


def test_nobody_turns_a_string_into_markup_or_prints_past_the_console() -> None:
    found = {
        (name, what)
        for name, tree in modules().items()
        if name.startswith("services.cli") and name != CONSOLE
        for what in _past_the_console(tree)
    }
    assert {one for one in found if one not in {(name, "write") for name in WRITES_ITSELF}} == set()


def _past_the_console(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "print":
            found.add("print")
        if isinstance(node.func, ast.Attribute) and node.func.attr == "from_markup":
            found.add("from_markup")
        if isinstance(node.func, ast.Attribute) and node.func.attr == "write" and "std" in ast.unparse(node.func):
            found.add("write")
        if any(one.arg == "markup" and ast.unparse(one.value) == "True" for one in node.keywords):
            found.add("markup=True")
    return found
