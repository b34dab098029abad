"""The OpenAPI document: bodies that come as JSON or as a form, and errors in OpenAI's format, said once."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from sgen_ray.client import schema

_REF = "#/components/schemas/{model}"
_ERRORS = {
    400: "What was asked for cannot be made as written",
    401: "There is no such key",
    403: "Another site's page sent this",
    404: "There is no such video",
    409: "The video is not in a state that allows this",
    413: "The body is too large",
    415: "The body is neither JSON nor a form",
    429: "Too much at once; try again after Retry-After seconds",
    503: "A part of the service is away; try again",
}


def documented(body: type[BaseModel] | None = None, *, files: tuple[str, ...] = (), required: bool = True) -> Any:
    """Arguments of a route that reads its own body. `files`: fields of the form that may be files."""
    errors: dict[str, Any] = {str(code): {"model": schema.ErrorAnswer, "description": text} for code, text in
                              _ERRORS.items()}  # fmt: skip
    more: dict[str, Any] = {"responses": errors}
    if body is not None:
        reference = {"$ref": _REF.format(model=body.__name__)}
        content = {
            "application/json": {"schema": reference},
            "multipart/form-data": {"schema": _form(body, files) if files else reference},
        }
        more["openapi_extra"] = {"requestBody": {"required": required, "content": content}}
    return more


def _form(body: type[BaseModel], files: tuple[str, ...]) -> dict[str, Any]:
    document = body.model_json_schema(ref_template=_REF)
    document.pop("$defs", None)
    for name in files:
        own = document["properties"][name]
        document["properties"][name] = {"anyOf": [{"type": "string", "format": "binary"}, own]}
    return document


def describe(app: FastAPI) -> None:
    """Gives the app its document: with the models of bodies that routes read themselves, and without FastAPI's own
    answer to what is not valid, which is never given."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            components = document.setdefault("components", {}).setdefault("schemas", {})
            for model in (schema.CreateVideo, schema.RemixVideo, schema.EditVideo, schema.ExtendVideo,
                          schema.ApproveVideo):  # fmt: skip
                own = model.model_json_schema(ref_template=_REF)
                components |= own.pop("$defs", {}) | {model.__name__: own}
            components |= {"ErrorAnswer": schema.ErrorAnswer.model_json_schema(ref_template=_REF)}
            components |= components["ErrorAnswer"].pop("$defs")
            content = {"application/json": {"schema": {"$ref": _REF.format(model="ErrorAnswer")}}}
            errors = {str(code): {"description": text, "content": content} for code, text in _ERRORS.items()}
            for path in document["paths"].values():
                for operation in path.values():
                    operation["responses"] |= errors
                    operation["responses"].pop("422", None)
            for unused in ("HTTPValidationError", "ValidationError"):
                components.pop(unused, None)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
