"""Pure: gateway.yaml to `schemas.gateway_config.Gateway`, with every mistake by line, key and what is allowed.

YAML 1.1's surprises are kept out: keys must be text and may not come twice, and nothing but plain data is built.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from schemas.gateway_config import Gateway

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with the file. `line` is 1-based; 0 = the file as a whole."""

    line: int
    key: str
    problem: str

    def __str__(self) -> str:
        place = f"line {self.line}, " if self.line else ""
        return f"{place}{self.key}: {self.problem}" if self.key else f"{place}{self.problem}"


class GatewayFileError(Exception):
    """The file cannot be used; `mistakes` has all that was found, in the order of the file."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


def parse_gateway(text: str) -> Gateway:
    """The configuration in `text`; raises `GatewayFileError`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise GatewayFileError([Mistake(line, "", f"not YAML: {error.problem}")]) from None
    except yaml.YAMLError as error:
        raise GatewayFileError([Mistake(0, "", f"not YAML: {error}")]) from None
    if not isinstance(node, yaml.MappingNode):
        raise GatewayFileError([Mistake(1, "", "must be a mapping with version, connectors, accounts and routes")])
    lines: dict[Path, int] = {}
    mistakes = list(_index(node, (), lines))
    data = yaml.safe_load(text) if not mistakes else {}
    if mistakes:
        raise GatewayFileError(mistakes)
    mistakes = _literal_passwords(data, lines)
    try:
        return _validated(data, lines, mistakes)
    except ValidationError as error:
        found = [_mistake(e, data, lines) for e in error.errors(include_url=False)]
        reported = {m.key for m in mistakes}
        mistakes += [m for m in found if not any(m.key.startswith(key) for key in reported)]
        raise GatewayFileError(sorted(mistakes, key=lambda m: m.line)) from None


def _validated(data: Any, lines: dict[Path, int], mistakes: list[Mistake]) -> Gateway:
    gateway = Gateway.model_validate(data)
    if mistakes:
        raise GatewayFileError(mistakes)
    return gateway


def _index(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Iterator[Mistake]:
    """Remember the line of every path; yields what plain loading would hide."""
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            line = key.start_mark.line + 1
            if name in seen:
                yield Mistake(line, _dotted((*path, name)), "is given twice")
            seen.add(name)
            yield from _index(value, (*path, name), lines)
            lines[(*path, name)] = line
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _index(value, (*path, number), lines)


def _literal_passwords(data: Any, lines: dict[Path, int]) -> list[Mistake]:
    connectors = data.get("connectors") if isinstance(data, dict) else None
    if not isinstance(connectors, list):
        return []
    return [
        Mistake(
            _line((("connectors"), number, "password"), lines),
            _dotted(("connectors", number, "password")),
            "a literal password would end up in topics and logs; write {env: NAME} or {file: /path}",
        )
        for number, connector in enumerate(connectors)
        if isinstance(connector, dict) and isinstance(connector.get("password"), str | int)
    ]


def _mistake(error: Mapping[str, Any], data: Any, lines: dict[Path, int]) -> Mistake:
    path = tuple(part for part in error["loc"] if part != "function-after")
    line = _line(path, lines)
    if error["type"] == "extra_forbidden":
        return Mistake(line, _dotted(path), _unknown_key(path))
    if error["type"] == "missing":
        return Mistake(_line(path[:-1], lines), _dotted(path), "is missing")
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    if isinstance(given, str | int | float | bool) and error["type"] != "value_error":
        message = f"{message[0].lower()}{message[1:]} (given: {given!r})"
    return Mistake(line if path else 0, _dotted(path), message)


def _line(path: Path, lines: dict[Path, int]) -> int:
    """The line of `path`, or of the nearest part above it that stands in the file."""
    while path not in lines and path:
        path = path[:-1]
    return lines.get(path, 0)


def _dotted(path: Path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _unknown_key(path: Path) -> str:
    allowed = sorted(_fields_at(path[:-1]))
    nearest = difflib.get_close_matches(str(path[-1]), allowed, n=1)
    suggestion = f"did you mean {nearest[0]}? " if nearest else ""
    return f"is unknown; {suggestion}allowed: {', '.join(allowed)}"


def _fields_at(path: Path) -> list[str]:
    """The keys that the model allows at `path`; empty where it is no mapping of ours."""
    model: Any = Gateway
    for part in path:
        if isinstance(part, int) or not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        field = model.model_fields.get(part)
        model = _model_in(field.annotation) if field else None
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return None
    for inner in get_args(annotation):
        if (found := _model_in(inner)) is not None:
            return found
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
