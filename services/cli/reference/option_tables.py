"""Pure: the reference of gateway.yaml as Markdown tables, from the JSON Schema of its models."""

from typing import Any

from pydantic import BaseModel


def option_table(model: type[BaseModel], without: type[BaseModel] | None = None) -> str:
    """One row a field: name, values, default, its description, and who reads it where the model tells.

    The fields of `without` are left out: they stand in a table of their own.
    """
    schema = model.model_json_schema()
    names = [name for name in schema["properties"] if without is None or name not in without.model_fields]
    told = any(_read_by(model, name) is not None for name in names)
    head = ["key", "values", "default", "what it is for", *(["read by"] if told else [])]
    rows = [_row(name, schema["properties"][name], name in schema.get("required", ())) for name in names]
    if told:
        rows = [[*row, _read_by(model, name) or "–"] for name, row in zip(names, rows, strict=True)]
    first, *others = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([first, "|---" * len(head) + "|", *others])


def _row(name: str, part: dict[str, Any], required: bool) -> list[str]:
    return [f"`{name}`", _values(part), _default(part, required), _what(part)]


def _read_by(model: type[BaseModel], name: str) -> str | None:
    """The services that act by a field; None where the field does not tell."""
    field = next(field for own, field in model.model_fields.items() if name in (own, field.alias))
    extra = field.json_schema_extra
    services = extra.get("read_by") if isinstance(extra, dict) else None
    return ", ".join(map(str, services)) if isinstance(services, list) else None


def _what(part: dict[str, Any]) -> str:
    """Raises LookupError for a field without a description: the reference would have a gap."""
    if not part.get("description"):
        raise LookupError(f"a field has no description: {part}")
    return str(part["description"]).replace("|", "\\|")


def _default(part: dict[str, Any], required: bool) -> str:
    if required:
        return "required"
    default = part.get("default", {})
    if default is None or default == "":
        return "–"
    if isinstance(default, list | dict):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _values(part: dict[str, Any]) -> str:
    kinds = [kind for kind in part.get("anyOf", [part]) if kind.get("type") != "null"]
    kind = kinds[0]
    if "const" in kind:
        return f"`{kind['const']}`"
    if "enum" in kind:
        return ", ".join(f"`{word}`" for word in kind["enum"])
    if kind.get("type") == "array":
        return f"list: {_values(kind['items'])}"
    if kind.get("type") == "object":
        return f"map to: {_values(_of_map(kind))}"
    simple = {"boolean": "`true`, `false`", "string": "text", "integer": "whole number", "number": "number"}
    return f"{simple.get(kind.get('type', ''), 'mapping')}{_bounds(kind)}"


def _of_map(kind: dict[str, Any]) -> dict[str, Any]:
    """What the values of a map are; where its keys have a form, the schema lists them by pattern."""
    by_pattern = list(kind.get("patternProperties", {}).values())
    found: dict[str, Any] = by_pattern[0] if by_pattern else kind["additionalProperties"]
    return found


def _bounds(kind: dict[str, Any]) -> str:
    if "minimum" in kind and "maximum" in kind:
        return f", {kind['minimum']:,} to {kind['maximum']:,}"
    if "minimum" in kind:
        return f", {kind['minimum']:,} or more"
    return f", more than {kind['exclusiveMinimum']:,}" if "exclusiveMinimum" in kind else ""
