"""Edge: who reads which option of a connector, and which parts know no kind of it; read from the syntax trees."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest

from schemas.gateway.connectors.kinds import CONNECTOR_KINDS
from schemas.gateway.connectors.smpp import Tls
from schemas.payloads.kinds import PAYLOAD_MAKERS, PAYLOAD_MODELS
from services.binder.payload_readers import PAYLOAD_READERS
from services.throttler.connector.answers import ANSWER_KINDS
from tests.architecture.modules import ROOT, imports, imports_any, modules

ACTING = ("ingress", "encoder", "throttler", "binder", "correlator", "recorder", "scheduler")
"""The services that act by an option; the command line reads every one to judge it."""

CARRYING = ("schemas", "shared.process", "shared.operations")
"""Parts that hand a configuration on."""

PARTS: dict[str, list[Any]] = {
    "connector": [*CONNECTOR_KINDS.values()],
    "options": [model.model_fields["options"].annotation for model in CONNECTOR_KINDS.values()],
    "tls": [Tls],
}
"""Models of a part of a connector, of each kind, by the name that the code gives the part."""


def _used_by(service: str) -> set[str]:
    """The modules of a service, and what they import of ours."""
    found: set[str] = set()
    waiting = [name for name in modules() if name.startswith(f"services.{service}.")]
    while waiting:
        name = waiting.pop()
        if name in modules() and name not in found and not name.startswith(CARRYING):
            found.add(name)
            waiting += [part for one in imports(modules()[name]) for part in (one, one.rpartition(".")[0])]
    return found


def _reads(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What is read of a part of a connector: `connector.tps`, `draining.connector.tps`, `options.validity`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            of = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
            yield of.lstrip("_"), node.attr


def readers() -> dict[tuple[str, str], list[str]]:
    """The services that read it, by part and field."""
    found: dict[tuple[str, str], list[str]] = {}
    for service in ACTING:
        for read in {read for name in _used_by(service) for read in _reads(modules()[name])}:
            found.setdefault(read, []).append(service)
    return found


@pytest.mark.parametrize("part", PARTS)
def test_each_option_says_who_reads_it(part: str) -> None:
    found = readers()
    for model in PARTS[part]:
        fields = {name: field for name, field in model.model_fields.items() if name != "options"}
        told = {name: (field.json_schema_extra or {}).get("read_by") for name, field in fields.items()}
        assert told == {name: found.get((part, name), []) for name in fields}


WITHOUT_A_KIND = ("services.throttler", "services.binder.lease", "services.binder.submit")
SMPP_WORDS = re.compile(
    r"smpp|esme|esm_class|command_status|submit_sm|deliver_sm|data_coding|_(ton|npi)\b|\bpdu|tlv_", re.IGNORECASE
)


def _words(tree: ast.Module) -> Iterator[str]:
    """Every name, and every text that may be a key."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg or ""
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("part", WITHOUT_A_KIND)
def test_what_serves_every_kind_knows_none(part: str) -> None:
    """Docstrings included."""
    trees = {name: tree for name, tree in modules().items() if name.startswith(part)}
    assert trees
    banned = ("shared.smpp", "services.binder.smpp", "schemas.payloads.smpp", "schemas.gateway.connectors.smpp")
    assert {name: hits for name, tree in trees.items() if (hits := imports_any(tree, *banned))} == {}
    found = {name: sorted({word for word in _words(tree) if SMPP_WORDS.search(word)}) for name, tree in trees.items()}
    assert {name: words for name, words in found.items() if words} == {}


def test_every_kind_is_in_every_table_of_kinds() -> None:
    assert set(CONNECTOR_KINDS) == set(PAYLOAD_MODELS) == set(PAYLOAD_MAKERS) == set(PAYLOAD_READERS)


def test_the_page_about_kinds_names_files_that_exist_and_every_answer() -> None:
    text = (ROOT / "docs" / "connector-kinds.md").read_text(encoding="utf-8")
    named = [place for place in re.findall(r"`((?:schemas|services|shared|tests)/[^`]*)`", text) if "<" not in place]
    assert named
    assert [place for place in named if not (ROOT / place).exists()] == []
    rows = dict(re.findall(r"^\| `([a-z_]+)` \|(.*)\|$", text, re.MULTILINE))
    assert set(rows) == set(ANSWER_KINDS)
    for word, kind in ANSWER_KINDS.items():
        assert f"`{kind.event}`" in rows[word]
        assert kind.end is None or f"`{kind.end.outcome}` / `{kind.end.reason}`" in rows[word]
        assert ("pauses" in rows[word]) == kind.pauses
