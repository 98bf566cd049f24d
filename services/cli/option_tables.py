"""Pure: the reference of gateway.yaml as Markdown tables, from the JSON Schema of its models."""

from typing import Any

from pydantic import BaseModel


def option_table(model: type[BaseModel]) -> str:
    """One row a field: name, values, default, and its description."""
    schema = model.model_json_schema()
    rows = [
        f"| `{name}` | {_values(part)} | {_default(part, name in schema.get('required', ()))} | {_what(part)} |"
        for name, part in schema["properties"].items()
    ]
    return "\n".join(["| key | values | default | what it is for |", "|---|---|---|---|", *rows])


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
