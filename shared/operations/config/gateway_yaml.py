"""Pure: gateway.yaml to `schemas.gateway.file.Gateway`, with every mistake by line, key and what is allowed."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from schemas.gateway.accounts import Account, key_conflicts
from schemas.gateway.connectors.common import CommonConnector
from schemas.gateway.connectors.kinds import CONNECTOR_KINDS, Connector
from schemas.gateway.file import INCONSISTENT, Gateway, inconsistencies
from schemas.gateway.routes import Route
from shared.operations.config.gateway_checks import connector_problems, reply_problems, unknown_accounts
from shared.operations.config.yaml_lines import Document, KeyPath, Mistake, dotted, read_yaml
from shared.operations.errors import ManyInvalid

_PLAIN_SENTENCES = {
    "missing": "is missing",
    "string_type": "must be text; write it in quotes",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
}
"""Our words for pydantic's kinds of errors, where its own speak of Python."""

_AModel = TypeVar("_AModel", bound=BaseModel)
_CONNECTOR: Final[TypeAdapter[Connector]] = TypeAdapter(Connector)
_ROUTE: Final = TypeAdapter(Route)
_ACCOUNT: Final = TypeAdapter(Account)


class GatewayFileError(ManyInvalid):
    """The file cannot be used; `mistakes` has all that was found, in the order of the file."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__(map(str, mistakes))
        self.mistakes = mistakes


def parse_gateway(text: str) -> Gateway:
    """The configuration in `text`; raises `GatewayFileError` and nothing else, whatever the text."""
    document = read_yaml(text)
    if not isinstance(document.data, dict):
        wanted = Mistake(1, "", "must be a mapping with version, connectors, accounts and routes")
        raise GatewayFileError(document.mistakes or [wanted])
    mistakes = [*document.mistakes, *_literal_passwords(document)]
    gateway: Gateway | None = None
    try:
        gateway = Gateway.model_validate(document.data)
    except ValidationError as error:
        told = {mistake.key for mistake in mistakes if mistake.key}
        found = [_mistake(e, document) for e in _told(error)]
        mistakes += [m for m in found if not any(m.key.startswith(key) for key in told)]
    mistakes += _beyond_fields(document)
    if gateway is None or mistakes:
        raise GatewayFileError(sorted(mistakes, key=lambda m: m.line))
    return gateway


def _literal_passwords(document: Document) -> Iterator[Mistake]:
    """Passwords that stand in the file itself. No sentence repeats them."""
    for number, connector in _items(document.data, "connectors"):
        password = connector.get("password")
        if password is not None and not (isinstance(password, dict) and set(password) <= {"env", "file"}):
            path: KeyPath = ("connectors", number, "password")
            problem = "a password would end up in topics and logs; write {env: NAME} or {file: /path}"
            yield Mistake(document.line(path), dotted(path), problem)


def _items(data: Mapping[str, Any], part: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The mappings in a list of the file, by their place."""
    listed = data.get(part)
    for number, item in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(item, dict):
            yield number, item


def _beyond_fields(document: Document) -> list[Mistake]:
    """What no field says by itself, for all parts that can be read, so that one run tells everything."""
    if not all(isinstance(document.data.get(part, []), list) for part in ("connectors", "accounts", "routes")):
        return []  # what refers to a part that is no list would be a mistake each time
    connectors = _readable(_CONNECTOR, document.data, "connectors")
    routes = _readable(_ROUTE, document.data, "routes")
    accounts = _readable(_ACCOUNT, document.data, "accounts")
    connector_ids = _ids(document.data, "connectors")
    account_ids = _ids(document.data, "accounts")
    found = [(i.path, i.problem) for i in inconsistencies(connectors, routes, connector_ids, account_ids, accounts)]
    for number, connector in connectors.items():
        found += [(("connectors", number, *path), problem) for path, problem in connector_problems(connector)]
    found += unknown_accounts(routes, account_ids)
    for number, account in accounts.items():
        found += [(("accounts", number, *path), problem) for path, problem in reply_problems(account)]
    found += [(("accounts", number, *path), problem) for number, path, problem in key_conflicts(accounts)]
    return [Mistake(document.line(path), dotted(path), problem) for path, problem in found]


def _readable(model: TypeAdapter[_AModel], data: Mapping[str, Any], part: str) -> dict[int, _AModel]:
    read = {}
    for number, item in _items(data, part):
        try:
            read[number] = model.validate_python(item)
        except ValidationError:
            continue  # its own mistakes are told by the validation of the whole
    return read


def _ids(data: Mapping[str, Any], part: str) -> list[str]:
    """The ids by place; empty for a part that has none."""
    listed = data.get(part)
    items = listed if isinstance(listed, list) else []
    ids = [item.get("id") if isinstance(item, dict) else None for item in items]
    return [name if isinstance(name, str) else "" for name in ids]


def _told(error: ValidationError) -> Iterator[Mapping[str, Any]]:
    """The errors to tell: without those that `_beyond_fields` tells better, and without lists that are too short
    because of a wrong item.
    """
    errors = error.errors(include_url=False)
    for one in errors:
        place = one["loc"]
        wrong_below = any(other["loc"][: len(place)] == place for other in errors if other is not one)
        if one["type"] != INCONSISTENT and not (one["type"] == "too_short" and wrong_below):
            yield one


def _mistake(error: Mapping[str, Any], document: Document) -> Mistake:
    path, connector = _place(error["loc"])
    kind = error["type"]
    if kind == "union_tag_invalid":
        path = (*path, "kind")
        return Mistake(document.line(path), dotted(path), _unknown_kind(error["ctx"]["tag"]))
    key, line = dotted(path), document.line(path)
    if kind == "extra_forbidden":
        return Mistake(line, key, _unknown_key(path, connector))
    if kind in _PLAIN_SENTENCES:
        return Mistake(line, key, _PLAIN_SENTENCES[kind])
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    if isinstance(given, str | int | float) and kind != "value_error":
        message = f"{message[0].lower()}{message[1:]} (given: {_shown(given)})"
    return Mistake(line, key, message)


def _place(loc: KeyPath) -> tuple[KeyPath, type[BaseModel]]:
    """The keys that lead to a mistake, and the model of a connector there: pydantic puts its kind among the keys."""
    path = tuple(part for part in loc if part != "[key]")
    if path[:1] == ("connectors",) and len(path) > 2 and path[2] in CONNECTOR_KINDS:
        return (*path[:2], *path[3:]), CONNECTOR_KINDS[str(path[2])]
    return path, CommonConnector


def _unknown_kind(given: str) -> str:
    known = list(CONNECTOR_KINDS)
    return f"{_shown(given)} is no kind of connector; {_nearest(given, known)}known: {', '.join(known)}"


def _nearest(given: str, allowed: list[str]) -> str:
    nearest = difflib.get_close_matches(given, allowed, n=1)
    return f"did you mean {nearest[0]}? " if nearest else ""


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _unknown_key(path: KeyPath, connector: type[BaseModel]) -> str:
    allowed = _fields_at(path[:-1], connector)
    return f"is unknown; {_nearest(str(path[-1]), allowed)}allowed: {', '.join(sorted(allowed))}"


def _fields_at(path: KeyPath, connector: type[BaseModel]) -> list[str]:
    """The keys that the model allows at `path`; empty where it has no mapping there."""
    model: type[BaseModel] | None = Gateway
    for place, part in enumerate(path):
        if isinstance(part, int) or model is None:
            continue
        field = model.model_fields.get(part)
        model = _model_in(field.annotation) if field else None
        if part == "connectors" and place == 0:
            model = connector
    return list(model.model_fields) if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) is Literal:
        return None
    for inner in get_args(annotation):
        if (found := _model_in(inner)) is not None:
            return found
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
