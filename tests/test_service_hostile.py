"""What strangers send: none of it is answered by a fault of the server, and each refusal is in OpenAI's format."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    not_a_server_error,
)
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from service import FILM, Place, toy_place

from sgen_ray.serving.problems import Problem
from sgen_ray.serving.uploads import reference


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return toy_place(tmp_path, monkeypatch, max_body_mib=1, max_queue=100_000)


@pytest.fixture
def client(place: Place) -> Iterator[TestClient]:
    with TestClient(place.app, raise_server_exceptions=False) as client:
        yield client


def refused(answer: Any, *statuses: int) -> Any:
    """Its error, which is in OpenAI's format."""
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


IDS = ["..", "..%2f..%2fetc%2fpasswd", "job_%00", "job_'%20OR%201=1--", "%ff%fe", "x" * 3000, "job_" + "0" * 20]


@pytest.mark.parametrize("video", IDS)
def test_ids_that_are_none(client: TestClient, video: str) -> None:
    calls = [("GET", ""), ("DELETE", ""), ("GET", "/content")]
    for method, end in (*calls, *(("POST", end) for end in ("/cancel", "/approve", "/retry"))):
        refused(client.request(method, f"/v1/videos/{video}{end}"), 404, 405)
    refused(client.post(f"/v1/videos/{video}/remix", json={"prompt": "a"}), 404, 405)


def test_a_traversing_file_name_goes_nowhere(client: TestClient, tmp_path: Path) -> None:
    files = {"input_reference": ("../../../../tmp/owned.png", b"no picture", "image/png")}
    refused(client.post("/v1/videos", data={"prompt": "a"}, files=files), 400)
    assert not list(tmp_path.rglob("owned*"))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"null",
        b"[]",
        b'"prompt"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"prompt": "\\ud800"}',
        b'{"prompt": "a\\u0000b"}',
        b'{"prompt": "a", "guidance": NaN}',
        b'{"prompt": "a", "guidance": 1e999}',
        b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}",
        b'{"prompt": "a", "input_reference": ' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}",
    ],
)
def test_bodies_that_are_no_request(client: TestClient, body: bytes) -> None:
    refused(client.post("/v1/videos", content=body, headers={"content-type": "application/json"}), 400)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"prompt=a"),
        ("multipart/form-data; boundary=x", b"no boundary here"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 5000),
        ("multipart/form-data; boundary=" + "x" * 5000, b"--x--"),
        ("application/x-www-form-urlencoded", b"a[b][c][d][e][f][g]=1"),
        ("application/x-www-form-urlencoded", b"&".join(b"f%d=1" % n for n in range(2000))),
        ("application/x-www-form-urlencoded", b"prompt=a&shots[9][prompt]=b"),
        ("application/x-www-form-urlencoded", b"prompt=a&prompt[x]=b"),
        ("application/x-www-form-urlencoded", b"prompt=a&prompt=b"),
        ("application/x-www-form-urlencoded", b"__class__[x]=b&prompt=a"),
    ],
)
def test_forms_that_are_none(client: TestClient, kind: str, body: bytes) -> None:
    refused(client.post("/v1/videos", content=body, headers={"content-type": kind}), 400)


def test_a_kind_of_body_that_nobody_reads(client: TestClient) -> None:
    for kind in ("text/xml", "application/x-python-pickle"):
        refused(client.post("/v1/videos", content=b"a", headers={"content-type": kind}), 415)


def test_bodies_end_somewhere(client: TestClient) -> None:
    much = b'{"prompt": "' + b"a" * (2 << 20) + b'"}'
    as_json = {"content-type": "application/json"}
    refused(client.post("/v1/videos", content=much, headers=as_json), 413)
    refused(client.post("/v1/videos", content=iter([much[:600_000]] * 3), headers=as_json), 413)
    refused(client.post("/v1/videos", data={"prompt": "a"}, files={"input_reference": much}), 413)


def png(width: int, height: int) -> bytes:
    """A file of a few bytes that says that it is a picture of this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(60_000, 60_000), (20_000, 20_000), (7_000, 7_000), (2**31 - 1, 1)])
def test_image_bombs_are_not_decoded(client: TestClient, size: tuple[int, int]) -> None:
    answer = client.post("/v1/videos", data={"prompt": "a"}, files={"input_reference": png(*size)})
    assert "picture" in refused(answer, 400)["message"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://169.254.169.254/", "data:text/html;base64,YQ==", 7, {}])
def test_no_address_is_ever_fetched(url: object) -> None:
    with pytest.raises(Problem):
        reference({"image_url": url}, {})


def test_headers_are_not_injected(client: TestClient) -> None:
    for key in ("a\tb", "k" * 300, "ключ".encode(), b"\xff"):
        answer = client.post("/v1/videos", json=FILM, headers={"Idempotency-Key": key})  # type: ignore[dict-item]
        refused(answer, 400)
    answer = client.post("/v1/videos", json=FILM | {"model": "x\r\nSet-Cookie: a=b"})
    refused(answer, 400)
    assert "set-cookie" not in answer.headers


def test_the_document_keeps_its_word(place: Place) -> None:
    """schemathesis over every operation: no fault, and no answer that the document does not tell of."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", place.app)
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
              negative_data_rejection, unsupported_method]  # fmt: skip

    tested = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path == "/readyz":  # nobody makes films here, so it says 503, and is right
            continue
        tested.add(f"{operation.method.upper()} {operation.path}")

        @settings(max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            case.call_and_validate(checks=checks)

        check()
    assert {"POST /v1/videos", "DELETE /v1/videos/{video_id}", "POST /v1/videos/{video_id}/remix"} <= tested
