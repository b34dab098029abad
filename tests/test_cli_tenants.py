"""`sgen keys` and `sgen webhooks`, as people call them."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from sgen_ray.cli.main import main


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SGEN_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("SGEN_DATABASE", raising=False)


def sgen(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    capsys.readouterr()
    assert main(arguments) == code
    return tuple(capsys.readouterr())  # type: ignore[return-value]


def facts(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sgen(capsys, *arguments, "--json")[0])
    return found


def test_keys_are_made_listed_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no keys yet" in sgen(capsys, "keys", "list")[0]
    limits = ["--share", "2", "--concurrent", "4", "--seconds-a-day", "3600"]
    token, told = sgen(capsys, "keys", "create", "studio", "--name", "Ada's laptop", *limits)
    assert token.startswith("sk-") and len(token.strip()) == 46
    assert "share 2, 4 at once, 3600 s a day" in told and "not shown again" in told
    listed, _ = sgen(capsys, "keys", "list")
    assert "Ada's laptop" in listed and "never used" in listed and token.strip() not in listed
    second = facts(capsys, "keys", "create", "studio", "--concurrent", "0", "--common-store")
    assert second["limits"] == {"share": 2.0, "concurrent": None, "seconds_a_day": 3600.0, "common_store": True}
    found = facts(capsys, "keys", "list", "studio")["keys"]
    assert [key["prefix"] for key in found] == [token[:10], second["token"][:10]] and "token" not in found[0]
    assert "is revoked" in sgen(capsys, "keys", "revoke", found[0]["key"])[0]
    assert [key["revoked"] is None for key in facts(capsys, "keys", "list")["keys"]] == [False, True]
    assert "no key key_x" in sgen(capsys, "keys", "revoke", "key_x", code=2)[1]
    assert "a tenant's name has" in sgen(capsys, "keys", "create", "../up", code=2)[1]


class _Receiver(BaseHTTPRequestHandler):
    got: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        self.got.append((dict(self.headers.items()), self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *words: object) -> None: ...


def test_webhooks_are_made_tried_listed_and_deleted(capsys: pytest.CaptureFixture[str]) -> None:
    _Receiver.got = []
    server = HTTPServer(("127.0.0.1", 0), _Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/films"
    try:
        assert "begins with https://" in sgen(capsys, "webhooks", "create", "studio", url, code=2)[1]
        assert "no address on the Internet" in sgen(capsys, "webhooks", "create", "a", "https://10.0.0.1", code=2)[1]
        secret, told = sgen(capsys, "webhooks", "create", "studio", url, "--private")
        name = told.split()[0]
        assert secret.startswith("whsec_") and name.startswith("we_")
        assert "took video.completed: HTTP 202" in sgen(capsys, "webhooks", "test", name, "--private")[0]
        headers, body = _Receiver.got[0]
        assert Webhook(secret.strip()).verify(body, headers)["type"] == "video.completed"
        assert "did not take it" in sgen(capsys, "webhooks", "test", name, code=2)[1]
        assert url in sgen(capsys, "webhooks", "list")[0]
        (listed,) = facts(capsys, "webhooks", "list", "studio")["webhooks"]
        assert (listed["id"], listed["tenant"], listed["event_types"]) == (
            name, "studio", ["video.completed", "video.failed"]
        )  # fmt: skip
        assert facts(capsys, "webhooks", "delete", name) == {"webhook": name, "deleted": True}
        assert "no webhook" in sgen(capsys, "webhooks", "delete", name, code=2)[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
