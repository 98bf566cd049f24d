"""Pure: the description of the HTTP API as a page for people: one document, without scripts and without other files."""

from html import escape
from typing import Any, Final

METHODS: Final = ("get", "post", "put", "patch", "delete")
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "code,pre{font:14px/1.4 ui-monospace,monospace}h2{margin-top:2.5rem;border-top:1px solid #ccc;padding-top:1rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}"
    "b{font-family:ui-monospace,monospace}@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}}"
)


def page(document: dict[str, Any]) -> str:
    """HTML for an OpenAPI document."""
    title = escape(document["info"]["title"])
    calls = [
        _call(document, path, method, operations[method])
        for path, operations in document["paths"].items()
        for method in METHODS
        if method in operations
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        "<p>Every call needs <code>Authorization: Bearer KEY</code>, or Basic with account and key. Errors are problem "
        'details (RFC 9457). The same for programs: <a href="/openapi.json">/openapi.json</a>.</p>'
        f"{''.join(calls)}</body></html>"
    )


def _call(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> str:
    head = f"<h2><b>{method.upper()} {escape(path)}</b></h2><p>{escape(operation['summary'])}</p>"
    query = [one for one in operation.get("parameters", []) if one["in"] == "query"]
    parameters = _table("Parameter", [(one["name"], one.get("description", "")) for one in query])
    bodies = []
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        bodies.append(_table(f"Body, {media}", _fields(document, content.get("schema", {}))))
    answers = []
    for code, answer in operation["responses"].items():
        if code < "4":
            for media, content in answer.get("content", {"": {}}).items():
                named = f"Answer {code}, {media}" if media else f"Answer {code}"
                answers.append(_table(named, _fields(document, content.get("schema", {}))) or f"<p>{named}</p>")
    problems = ", ".join(code for code in operation["responses"] if code >= "4")
    return f"{head}{parameters}{''.join(bodies)}{''.join(answers)}<p>Problems: {problems}</p>"


def _fields(document: dict[str, Any], schema: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and meanings of an object's fields, those of objects in it too."""
    schema = _resolved(document, schema)
    found: list[tuple[str, str]] = []
    for alternative in schema.get("anyOf", []):
        found += _fields(document, alternative)
    for name, field in schema.get("properties", {}).items():
        inner = _resolved(document, field)
        found.append((name, field.get("description") or inner.get("description", "")))
        found += [(f"{name}.{below}", meaning) for below, meaning in _fields(document, inner.get("items", inner))]
    return found


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def _table(title: str, rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    cells = "".join(f"<tr><td><code>{escape(name)}</code></td><td>{escape(text)}</td></tr>" for name, text in rows)
    return f"<table><tr><th>{escape(title)}</th><th></th></tr>{cells}</table>"
