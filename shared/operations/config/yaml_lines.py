"""Pure: YAML text as plain data, together with the line of every part of it.

Only what JSON could say, plus comments, anchors and merge keys: keys are text, and a plain scalar is null, true, false,
a decimal or 0x number, or text (the core schema of YAML 1.2). YAML 1.1's surprises are kept out: `no` and `off` are
text, `0044` keeps its zeros, `12:30` is no number of base 60, 2024-06-01 is no date, and no tag builds an object.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and 0-based list positions from the top of the file."""

CHARACTERS_MAX: Final = 1_000_000
"""Thousands of connectors, read in some seconds."""
DEPTH_MAX: Final = 40
PARTS_MAX: Final = 50_000
"""Of values, aliases counted as often as they are used: a few lines of aliases could stand for billions."""

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})|0x[0-9a-fA-F]{1,15}", re.ASCII)
_FLOAT: Final = re.compile(
    r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]{1,4})?|[0-9]+[eE][-+]?[0-9]{1,4})", re.ASCII
)
_HALF_CHARACTER: Final = re.compile("[\ud800-\udfff]")
_CORE_TAGS: Final = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq"))
"""What the loader gives to values without a tag of their own."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with the file. `line` is 1-based; 0 = the file as a whole."""

    line: int
    key: str
    problem: str

    def __str__(self) -> str:
        place = f"line {self.line}, " if self.line else ""
        said = f"{place}{self.key}: {self.problem}" if self.key else f"{place}{self.problem}"
        # keys are anybody's, and a terminal obeys some characters
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in said)


@dataclass(slots=True)
class Document:
    """Data (dict, list, str, int, float, bool, None) and what plain loading would hide.

    With `mistakes` the data is what could be read. Lines are those of keys, where there is one.
    """

    data: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def line(self, path: KeyPath) -> int:
        """The line of `path`, or of the nearest part above it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def dotted(path: KeyPath) -> str:
    """`connectors[0].options.tls`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_yaml(text: str) -> Document:
    """Never raises: what is not YAML is a document with one mistake."""
    if len(text) > CHARACTERS_MAX:
        return Document(mistakes=[Mistake(0, "", f"is too much: {len(text)} characters, {CHARACTERS_MAX} are allowed")])
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return Document(mistakes=[Mistake(line, "", f"not YAML: {error.problem}")])
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return Document(mistakes=[Mistake(line, "", f"not YAML: character U+{ord(text[error.position]):04X}")])
    except RecursionError:
        return Document(mistakes=[Mistake(0, "", "is nested too deeply")])
    except (ValueError, OverflowError):  # an escape or a version number of impossible size
        return Document(mistakes=[Mistake(0, "", "not YAML: an escaped character or a version that does not exist")])
    found = Document()
    if node is not None:
        found.data = _Reader(found).read(node, (), ())
    return found


class _Reader:
    """Walks the nodes of one document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._parts = 0

    def read(self, node: yaml.Node, path: KeyPath, above: tuple[yaml.Node, ...]) -> Any:
        self._document.lines[path] = node.start_mark.line + 1
        if not self._usable(node, path, above):
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, place), (*above, node)) for place, item in enumerate(node.value)]
        return scalar(node.value, plain=_is_plain(node))

    def _usable(self, node: yaml.Node, path: KeyPath, above: tuple[yaml.Node, ...]) -> bool:
        """Counts `node`; reports what must not be looked into."""
        self._parts += 1
        if any(node is outer for outer in above):
            self._wrong(node, path, "contains itself")
        elif len(above) > DEPTH_MAX:
            self._wrong(node, path, "is nested too deeply")
        elif node.tag not in _CORE_TAGS:
            self._wrong(node, path, f"has the tag {node.tag}; tags are not used here")
        elif isinstance(node, yaml.ScalarNode) and _HALF_CHARACTER.search(node.value):
            self._wrong(node, path, "holds half of a surrogate pair, which is no character")
        elif self._parts < PARTS_MAX:
            return True
        elif self._parts == PARTS_MAX:
            self._wrong(node, path, "is too much")
        return False

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        """The values of the keys; those of `<<` count where the mapping itself does not have them."""
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if _is_merge(key):
                merged |= self._merged(value, path, above)
        read: dict[str, Any] = {}
        for key, value in node.value:
            if _is_merge(key):
                continue
            if not isinstance(key, yaml.ScalarNode) or _HALF_CHARACTER.search(key.value):
                self._wrong(key, path, "a key must be text")
            elif key.value in read:
                self._wrong(key, (*path, key.value), "is given twice")
            else:
                inner = (*path, key.value)
                read[key.value] = self.read(value, inner, above)
                self._document.lines[inner] = key.start_mark.line + 1
        return merged | read

    def _merged(self, value: yaml.Node, path: KeyPath, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if not isinstance(source, yaml.MappingNode):
                self._wrong(source, path, "<< takes a mapping, or a list of them")
            elif self._usable(source, path, above):
                merged = self._mapping(source, path, (*above, source)) | merged
        return merged

    def _wrong(self, node: yaml.Node, path: KeyPath, problem: str) -> None:
        self._document.mistakes.append(Mistake(node.start_mark.line + 1, dotted(path), problem))


def _is_merge(key: yaml.Node) -> bool:
    return key.value == "<<" and _is_plain(key)


def _is_plain(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None


def scalar(text: str, *, plain: bool) -> str | int | float | bool | None:
    """What a scalar stands for; what is quoted is always text."""
    if not plain:
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
