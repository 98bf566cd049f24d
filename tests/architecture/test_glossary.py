"""Edge: one word has one meaning: names of classes, and the pages that explain them."""

import ast
import re
from collections import defaultdict

from tests.architecture.modules import ROOT, modules

DOCS = ROOT / "docs"
QUIRK = re.compile(r"\bQ([0-9]{1,2})\b")


def classes() -> dict[str, list[str]]:
    """Modules by the name of each public class, or alias of a type, that they define."""
    found: dict[str, list[str]] = defaultdict(list)
    for module, tree in modules().items():
        for node in tree.body:
            if (name := _defined(node)) is not None:
                found[name].append(module)
    return found


def _defined(node: ast.stmt) -> str | None:
    if isinstance(node, ast.ClassDef):
        return None if node.name.startswith("_") else node.name
    target = (
        node.target if isinstance(node, ast.AnnAssign) else node.targets[0] if isinstance(node, ast.Assign) else None
    )
    if not isinstance(target, ast.Name) or not re.fullmatch(r"[A-Z][a-z]\w*", target.id):
        return None
    return target.id


def test_no_name_stands_for_two_things() -> None:
    assert {name: where for name, where in classes().items() if len(where) > 1} == {}


def test_what_the_glossary_calls_a_class_is_one() -> None:
    text = (DOCS / "glossary.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z][a-z]\w*)`", text))
    assert named
    assert named - classes().keys() == set()


def test_every_quirk_that_the_code_names_is_explained() -> None:
    explained = set(QUIRK.findall((DOCS / "quirks.md").read_text(encoding="utf-8")))
    files = [file for part in ("services", "shared", "schemas", "tests") for file in (ROOT / part).rglob("*.py")]
    named = {number for file in files for number in QUIRK.findall(file.read_text(encoding="utf-8"))}
    assert named - explained == set()


def test_every_page_that_the_code_or_a_page_names_is_there() -> None:
    files = [file for part in ("services", "shared", "schemas", "tests") for file in (ROOT / part).rglob("*.py")]
    texts = [file.read_text(encoding="utf-8") for file in (*files, *DOCS.glob("*.md"), ROOT / "README.md")]
    named = {page for text in texts for page in re.findall(r"docs/([a-z-]+\.md)|\]\(([a-z-]+\.md)\)", text)}
    pages = {first or second for first, second in named}
    assert pages
    assert {page for page in pages if not (DOCS / page).exists()} == set()


def test_every_file_on_the_map_is_there() -> None:
    files = re.findall(r"`((?:services|shared|schemas)/[\w/.]+)`", (DOCS / "map.md").read_text(encoding="utf-8"))
    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []
