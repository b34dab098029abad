"""Logging in to the page with an API key: a cookie that no script can read and no other site's page can use."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import ValidationError

from sgen_ray.client.tenancy import Login, Session, SessionKey
from sgen_ray.jobs.tenants import Key
from sgen_ray.serving.access import COOKIES, refuse
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.service import In
from sgen_ray.serving.tokens import SESSION

router = APIRouter(tags=["session"])

_LONGEST = 4096
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": Login.model_json_schema()}
            for kind in ("application/json", "application/x-www-form-urlencoded")
        },
    }
}


@router.post("/login", openapi_extra=_BODY, response_model=Session, responses={303: {"description": "Of a form."}})
async def login(request: Request, service: In) -> Response:
    """Starts a session of the page. A form is led to the page, JSON gets the session."""
    form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    token = _key_in(await _body(request), form)
    if not service.settings.keys_wanted:
        return RedirectResponse("/", 303) if form else JSONResponse(_session(None).model_dump())
    key = await run_in_threadpool(service.access.key, token.strip())
    if key is None:
        refuse("the API key is not, or no longer, valid")
    assert key is not None
    answer = RedirectResponse("/", 303) if form else JSONResponse(_session(key).model_dump())
    # Where something before the service ends TLS, only the browser knows.
    secure = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
    cookie = await run_in_threadpool(lambda: service.access.tokens.session(key.id))
    answer.set_cookie(
        COOKIES[0 if secure else 1], cookie, max_age=SESSION, path="/", secure=secure, httponly=True, samesite="strict"
    )
    return answer


@router.post("/logout", status_code=204)
def logout() -> Response:
    """Ends the session of this browser. Who fears that others have its cookie revokes its key."""
    answer = Response(status_code=204)
    for name in COOKIES:
        answer.delete_cookie(name, path="/", secure=name.startswith("__Host-"), httponly=True, samesite="strict")
    return answer


@router.get("/v1/session")
def session(request: Request, service: In) -> Session:
    """Who asks, by key or cookie; 401 where one is wanted and there is none."""
    if not service.settings.keys_wanted:
        return _session(None)
    caller = service.access.caller(request)
    key = service.jobs.find_key(key_id=caller.key) if caller.key else None
    if key is None:
        refuse("the API key is no longer valid")
    return _session(key)


def _session(key: Key | None) -> Session:
    if key is None:
        return Session(tenant="local", login=False)
    return Session(tenant=key.tenant, login=True, key=SessionKey(id=key.id, name=key.name, prefix=key.prefix))


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST:
            raise Problem(413, "a login is a key, and no more", code="too_large")
    return body


def _key_in(body: bytes, form: bool) -> str:
    if form:
        return parse_qs(body.decode(errors="replace"), max_num_fields=10).get("key", [""])[0]
    try:
        return Login.model_validate_json(body).key
    except ValidationError as error:
        raise Problem(400, 'log in with {"key": "sk-…"}', param="key", code="invalid_value") from error
