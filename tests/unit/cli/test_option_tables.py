"""Pure: models as tables of the docs."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from schemas.gateway.connectors.common import read_by
from schemas.gateway.values import Strict
from services.cli.reference.doc_tables import GATEWAY_FILE, current
from services.cli.reference.option_tables import option_table
from shared.operations.config.gateway_yaml import parse_gateway
from shared.sms.national_tables import LANGUAGES
from tests.architecture.modules import ROOT


class Inner(BaseModel):
    """A part."""


class Everything(BaseModel):
    """One field of each kind."""

    one: Literal[1] = Field(description="a|b")
    words: Literal["x", "y"] | None = Field(default=None, description="d")
    yes: bool = Field(default=True, description="d")
    count: int = Field(default=5, ge=1, le=9000, description="d")
    time: float = Field(default=0.5, gt=0, description="d")
    texts: tuple[str, ...] = Field(default=(), description="d")
    codes: dict[Annotated[str, Field(pattern="x")], Annotated[int, Field(ge=0)]] = Field(
        default_factory=dict, description="d"
    )
    inner: Inner = Field(default=Inner(), description="d")


def test_every_kind_of_field() -> None:
    assert option_table(Everything).splitlines()[2:] == [
        "| `one` | `1` | required | a\\|b |",
        "| `words` | `x`, `y` | – | d |",
        "| `yes` | `true`, `false` | `true` | d |",
        "| `count` | whole number, 1 to 9,000 | `5` | d |",
        "| `time` | number, more than 0 | `0.5` | d |",
        "| `texts` | list: text | none | d |",
        "| `codes` | map to: whole number, 0 or more | none | d |",
        "| `inner` | mapping | none | d |",
    ]


def test_who_reads_a_field_and_which_fields_stand_elsewhere() -> None:
    class More(Inner):
        a: int = Field(default=1, description="d", json_schema_extra=read_by("ingress", "binder"))
        b: int = Field(default=2, description="d", json_schema_extra=read_by())

    class Most(More):
        c: int = Field(default=3, description="d")

    assert option_table(More, Inner).splitlines() == [
        "| key | values | default | what it is for | read by |",
        "|---|---|---|---|---|",
        "| `a` | whole number | `1` | d | ingress, binder |",
        "| `b` | whole number | `2` | d | – |",
    ]
    assert option_table(Most, More).splitlines()[1:] == ["|---|---|---|---|", "| `c` | whole number | `3` | d |"]


def test_a_field_without_a_description_is_a_gap() -> None:
    class Bare(BaseModel):
        name: str

    with pytest.raises(LookupError, match="no description"):
        option_table(Bare)


def test_every_part_of_the_file_has_its_table() -> None:
    """But secrets, whose two forms stand in the text, and what only the record has."""
    parts = {model for model in _below(Strict) if model.__module__.startswith("schemas.gateway.")}
    without = {model.__name__ for model in parts - set(GATEWAY_FILE.values())}
    assert without == {"SecretRef", "Draining", "TopicLayout", "DailyWindow"}


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for part in model.__subclasses__():
        yield part
        yield from _below(part)


def test_the_page_names_every_language() -> None:
    text = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert all(f"`{language}`" in text for language in LANGUAGES)


@pytest.mark.parametrize("page", ["docs/options.md", "README.md"])
def test_the_configurations_that_are_shown_are_good(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    shown = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith("version:")]
    assert shown
    for block in shown:
        parse_gateway(block)


def test_a_block_is_replaced_once() -> None:
    text = "a\n<!-- x: generated -->\nold\n<!-- end x -->\nb\n"
    assert current(text, "x", "new") == "a\n<!-- x: generated -->\nnew\n<!-- end x -->\nb\n"
    for wrong in ("", text + text):
        with pytest.raises(LookupError):
            current(wrong, "x", "new")
