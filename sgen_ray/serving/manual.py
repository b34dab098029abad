"""/docs: the OpenAPI document to read, as plain HTML without scripts or other hosts. Programs take /openapi.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
summary { cursor: pointer; padding: 0.35rem 0; }
summary b { display: inline-block; min-width: 4.5rem; }
details details { margin-left: 1.5rem; }
table { border-collapse: collapse; }
td, th { text-align: left; vertical-align: top; padding: 0.2rem 1rem 0.2rem 0; }
"""


@router.get("/docs")
def manual(request: Request) -> Response:
    return HTMLResponse(_page(request.app))


@router.get("/docs.css")
def style() -> Response:
    return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


@lru_cache(1)
def _page(app: FastAPI) -> str:
    document = app.openapi()
    head = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(app.title)}: HTTP API</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="docs.css">'
    )
    begin = (
        f"<h1>{escape(app.title)} {escape(app.version)}: HTTP API</h1><p>For programs: "
        '<a href="openapi.json">openapi.json</a>. A key, where one is wanted, goes into the header '
        "<code>Authorization: Bearer sk-…</code>.</p>"
    )
    return head + begin + "".join(_routes(document)) + "<h2>Types</h2>" + "".join(_types(document))


def _routes(document: Mapping[str, Any]) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation.get("tags", ["service"])[0], []).append(_route(method, path, operation))
    for name, routes in groups.items():
        yield f"<h2>{escape(name)}</h2>" + "".join(routes)


def _route(method: str, path: str, operation: Mapping[str, Any]) -> str:
    about = operation.get("description") or operation.get("summary", "")
    parts = [f"<p>{escape(about)}</p>"]
    parameters = [
        f"<tr><td><code>{escape(given['name'])}</code><td>{escape(given['in'])}<td>{_kind(given.get('schema', {}))}"
        f"<td>{escape(given.get('description', ''))}"
        for given in operation.get("parameters", ())
    ]
    if parameters:
        parts.append("<table><tr><th>name<th>in<th>type<th>" + "".join(parameters) + "</table>")
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Takes {escape(kind)}: {_kind(body['schema'])}</p>")
    for status, answer in operation["responses"].items():
        for kind, body in answer.get("content", {}).items():
            if status < "300":
                parts.append(f"<p>{status}: {escape(kind)} {_kind(body.get('schema', {}))}</p>")
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code></summary>"
        + "".join(parts)
        + "</details>"
    )


def _types(document: Mapping[str, Any]) -> Iterator[str]:
    for name, own in sorted(document["components"]["schemas"].items()):
        needed = own.get("required", ())
        rows = [
            f"<tr><td><code>{escape(field)}</code>{' (required)' if field in needed else ''}<td>{_kind(value)}"
            f"<td>{escape(value.get('description', ''))}{_example(value)}"
            for field, value in own.get("properties", {}).items()
        ]
        yield (
            f'<details id="{escape(name)}" open><summary><code>{escape(name)}</code></summary>'
            f"<p>{escape(own.get('description', ''))}</p><table>{''.join(rows)}</table></details>"
        )


def _example(schema: Mapping[str, Any]) -> str:
    shown = schema.get("examples", ())
    return f" <code>{escape(json.dumps(shown[0], ensure_ascii=False))}</code>" if shown else ""


def _kind(schema: Mapping[str, Any]) -> str:
    """A type in a word, with links to those that have names."""
    if reference := schema.get("$ref"):
        name = escape(reference.rsplit("/", 1)[1])
        return f'<a href="#{name}">{name}</a>'
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_kind(choice) for choice in choices))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"<code>{escape(str(value))}</code>" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if schema.get("format") == "binary":
        return "file"
    return escape(str(schema.get("type", "anything")))
