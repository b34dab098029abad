"""The parts of the client that need no server."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgen_ray.client import AsyncClient, Client, RateLimited, Retries, ServerError, Unreachable
from sgen_ray.client.errors import BadRequest, NotFound, error_of
from sgen_ray.client.retries import seconds_of
from sgen_ray.client.sse import Message, Reader
from sgen_ray.client.uploads import reference
from sgen_ray.client.videos import AsyncVideos, event_of

STREAM = (
    '\ufeff: hello\n\nevent: state\nid: 1\ndata: {"at": 1,\ndata: "é"}\n\n'
    "event: steps\r\ndata: x\r\n\r\nid: 7\rdata:y\r\rid: 8\n\ndata: z\nretry: 3\n\ndata: half"
)
MESSAGES = [
    Message("state", '{"at": 1,\n"é"}', "1"),
    Message("steps", "x", None),
    Message("message", "y", "7"),
    Message("message", "z", None),
]


@given(st.lists(st.integers(0, len(STREAM.encode())), max_size=20))
def test_messages_are_the_same_however_the_bytes_are_cut(places: list[int]) -> None:
    data, reader = STREAM.encode(), Reader()
    ends = [0, *sorted(places), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise(ends)]
    assert [message for piece in pieces for message in reader.feed(piece)] == MESSAGES


def test_a_message_that_is_no_event_is_told() -> None:
    event = event_of(Message("window", '{"at": 2.5, "data": {"window": 3}, "new": 1}', "4"))
    assert (event.type, event.id, event.at, event.data) == ("window", 4, 2.5, {"window": 3})
    for message in (Message("state", "{", None), Message("state", "[]", None), Message("state", '{"at": 1}', "x")):
        with pytest.raises(ServerError, match="cannot be read"):
            event_of(message)


def test_pauses_double_and_are_never_shorter_than_the_server_asks() -> None:
    policy, gone = Retries(attempts=9, first=1, longest=8), Unreachable("gone")
    assert [policy.pause(failed, gone, lambda: 1.0) for failed in range(1, 10)] == [1, 2, 4, 8, 8, 8, 8, 8, None]
    assert policy.pause(1, gone, lambda: 0.0) == 0.5
    busy = error_of(429, {}, b"", retry_after=30)
    assert isinstance(busy, RateLimited) and policy.pause(1, busy, lambda: 0.0) == 30
    assert policy.pause(1, error_of(429, {}, b"", retry_after=121)) is None  # nobody waits so long unasked


@pytest.mark.parametrize(("status", "again"), [(400, 0), (401, 0), (403, 0), (404, 0), (409, 0), (413, 0), (422, 0),
                         (429, 1), (500, 0), (501, 0), (502, 1), (503, 1), (504, 1)])  # fmt: skip
def test_only_what_passes_is_tried_again(status: int, again: int) -> None:
    assert (Retries().pause(1, error_of(status, {}, b"", None)) is not None) == again


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    told = {"7": 7, " 7 ": 7, "Wed, 25 Nov 2026 12:01:00 GMT": 60, "Wed, 25 Nov 2026 11:00:00 GMT": 0}
    assert {text: seconds_of(text, now) for text in told} == told
    assert [seconds_of(text, now) for text in (None, "", "soon", "-1", "1.5.2")] == [None] * 5


def test_errors_carry_what_the_server_told() -> None:
    body = b'{"error": {"message": "size: too big", "type": "invalid_request_error", "param": "size", "code": "x"}}'
    error = error_of(400, {"x-request-id": "r1"}, body, None)
    assert isinstance(error, BadRequest)
    assert (str(error), error.code, error.param, error.status, error.request_id) == (
        "size: too big",
        "x",
        "size",
        400,
        "r1",
    )
    proxy = error_of(502, {}, b"<html>\n<h1>Bad Gateway</h1>" + b"\xff" * 1000, None)
    assert isinstance(proxy, ServerError) and str(proxy).startswith("status 502: <html> <h1>Bad Gateway</h1>")


def test_pictures_travel_in_the_request(tmp_path) -> None:
    png = b"\x89PNG\r\n\x1a\nrest"
    (tmp_path / "a").write_bytes(png)
    told = {"image_url": "data:image/png;base64,iVBORw0KGgpyZXN0"}
    assert reference(png) == reference(tmp_path / "a") == reference(str(tmp_path / "a")) == reference(told) == told
    with pytest.raises(BadRequest, match="no PNG, JPEG or WebP"):
        reference(b"GIF89a")


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://x", "http://", "http://a:b", "/v1"])
def test_an_address_that_is_none_is_said_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        Client(address)


def test_address_and_key_come_from_the_environment(monkeypatch) -> None:
    monkeypatch.setenv("SGEN_BASE_URL", "https://films.example/v1/")
    monkeypatch.setenv("SGEN_API_KEY", " sk-1\n")
    with Client() as client:
        assert client.base_url == "https://films.example"
        assert client._calls._headers["Authorization"] == "Bearer sk-1"
        assert "sk-1" not in repr(client)
    with pytest.raises(ValueError, match="key"):
        Client(api_key="a\r\nX: b")
    with Client("http://a", "sk-2") as client:
        assert (client.base_url, client._calls._headers["Authorization"]) == ("http://a", "Bearer sk-2")


def test_no_id_reaches_another_route() -> None:
    with Client("http://127.0.0.1:9", retries=Retries(attempts=1)) as client:
        for name in ("", ".", ".."):
            with pytest.raises(NotFound):
                client.videos.retrieve(name)
        with pytest.raises(Unreachable, match="no answer from http://127.0.0.1:9"):
            client.videos.retrieve("a")


def test_both_clients_can_the_same() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    client = Client("http://a")
    assert public(type(client.videos)) == public(AsyncVideos)
    assert public(Client) - {"close"} == public(AsyncClient) - {"aclose"}
    client.close()
