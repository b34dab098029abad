"""Bodies of requests: JSON and forms alike become one checked model, and the files beside it.

OpenAI's clients send forms for everything about videos, with nested fields as `video[id]` and `shots[][prompt]`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from sgen_ray.serving.problems import Problem, not_valid

Model = TypeVar("Model", bound=BaseModel)

_NAME = re.compile(r"([A-Za-z_]\w{0,63})((?:\[\w{0,64}\]){0,4})", re.ASCII)
_FIELDS, _FILES, _FIELD_BYTES = 500, 4, 64 << 10


@dataclass(frozen=True)
class Sent(Generic[Model]):
    """What a request brought: `body`, checked, and its files by the names of their fields."""

    body: Model
    files: Mapping[str, bytes] = field(default_factory=dict)


def sent(model: type[Model], *files: str) -> Callable[[Request], Awaitable[Sent[Model]]]:
    """A dependency that reads the request's body. `files`: fields that may be files."""

    async def read(request: Request) -> Sent[Model]:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in ("application/json", ""):
            return (
                Sent(_checked(lambda: model.model_validate_json(_document(body), strict=True)))
                if (body := await request.body())
                else Sent(_checked(lambda: model.model_validate({})))
            )
        if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
            values, found = await _form(request, files)
            return Sent(_checked(lambda: model.model_validate(values)), found)
        raise Problem(415, f"a body of type {kind[:80]!r} cannot be read; send application/json or multipart/form-data")

    return read


def _document(body: bytes) -> bytes:
    """The same, unless it holds what JSON does not have, such as NaN."""
    try:
        from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Problem(400, f"the body is not JSON: {error}", code="invalid_json") from error
    return body


def _checked(read: Callable[[], Model]) -> Model:
    try:
        return read()
    except ValidationError as error:
        raise not_valid(error.errors(include_url=False, include_context=False, include_input=False)[0]) from error


async def _form(request: Request, files: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, bytes]]:
    try:
        form = await request.form(max_files=_FILES, max_fields=_FIELDS, max_part_size=_FIELD_BYTES)
    except HTTPException as error:  # what Starlette makes of a form that it cannot read
        raise Problem(400, f"the form cannot be read: {error.detail}", code="invalid_form") from error
    except (ValueError, KeyError) as error:
        raise Problem(400, "the form cannot be read", code="invalid_form") from error
    try:
        return await _sorted_out(form, files)
    finally:
        await form.close()


async def _sorted_out(form: FormData, files: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, bytes]]:
    values: dict[str, Any] = {}
    found: dict[str, bytes] = {}
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            _put(values, name, value)
        elif name not in files or name in found:
            raise Problem(400, f"{name[:80]!r} takes no file, or only one", param=name[:80], code="invalid_value")
        else:
            found[name] = await value.read()
    return values, found


def _put(values: dict[str, Any], name: str, value: str) -> None:
    """Sets the field "a[b][c]" in nested dictionaries, "a[][b]" or "a[0][b]" in a list of them."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise Problem(400, f"{name[:80]!r}: there is no such field", param=name[:80], code="unknown_parameter")
    told: Any = value
    if name == "shots":  # easier to send by hand than brackets
        try:
            told = from_json(value, allow_inf_nan=False)
        except ValueError as error:
            raise Problem(400, "shots is not JSON", param="shots", code="invalid_value") from error
    try:
        _nest(values, [match[1], *re.findall(r"\[(\w*)\]", match[2])], told)
    except LookupError as error:
        what = f"{name[:80]!r} is there twice, or does not go with the other fields"
        raise Problem(400, what, param=name[:80], code="invalid_value") from error


def _nest(place: Any, keys: Sequence[str], value: Any) -> None:
    """Raises LookupError where something else is there."""
    key, *rest = keys
    new = value if not rest else [] if not rest[0] or rest[0].isdigit() else {}
    if isinstance(place, list):
        number = _number(place, key, rest)
        if number == len(place):
            place.append(new)
        elif not rest:
            raise LookupError
        inner = place[number]
    elif isinstance(place, dict) and key and (rest or key not in place):
        inner = place.setdefault(key, new)
    else:
        raise LookupError
    if rest:
        _nest(inner, rest, value)


def _number(entries: Sequence[Any], key: str, rest: Sequence[str]) -> int:
    """Which entry the key means. "" is the last as long as that lacks the field, and then the next."""
    if key.isdigit() and int(key) <= len(entries):
        return int(key)
    if key:
        raise LookupError
    last = entries[-1] if entries else None
    return len(entries) - (bool(rest) and isinstance(last, dict) and rest[0] not in last)
