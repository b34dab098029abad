"""Two tenants at one service with keys, from create to download, with the real workers and a real server."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import openai
import pytest
from service import FILM, Place, ended, toy_place
from standardwebhooks import Webhook

from sgen_ray.serving.deliver import deliver_due


class _Receiver(BaseHTTPRequestHandler):
    got: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        self.got.append((dict(self.headers.items()), self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def receiver() -> Iterator[str]:
    _Receiver.got = []
    server = HTTPServer(("127.0.0.1", 0), _Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return toy_place(tmp_path, monkeypatch, keys="required", webhooks_private=True)


@pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")
def test_a_tenants_film_from_create_to_webhook(place: Place, receiver: str) -> None:
    jobs = place.app.state.service.jobs
    (_, a), (_, b) = jobs.create_key("a"), jobs.create_key("b")
    with place.listening() as url, place.films():
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(api_key="sk-" + "x" * 43, base_url=f"{url}/v1", max_retries=0).videos.list()
        with openai.OpenAI(api_key=a, base_url=f"{url}/v1") as client:
            hook = client.webhooks.create(name="ours", url=receiver, event_types=["video.completed"])
            fields = {name: FILM[name] for name in ("steps", "plan_steps")}
            video = client.videos.create(prompt="shot 0", seconds="4", size="64x32", extra_body=fields)  # type: ignore[arg-type]
            done = client.videos.poll(video.id)
            assert done.status == "completed", done
            film = client.videos.download_content(video.id).read()
            assert film[4:8] == b"ftyp"
            client.webhooks.delete(client.webhooks.create(name="", url=receiver, event_types=["video.failed"]).id)
            assert [each.id for each in client.webhooks.list()] == [hook.id]
        assert deliver_due(jobs, private=True) == 1
        headers, body = _Receiver.got[0]
        assert Webhook(hook.signing_secret).verify(body, headers)["data"] == {"id": video.id}

        with openai.OpenAI(api_key=b, base_url=f"{url}/v1") as client:
            assert list(client.videos.list()) == []
            with pytest.raises(openai.NotFoundError):
                client.videos.download_content(video.id)
            theirs = client.videos.create(prompt="shot 0", seconds="4", size="64x32", extra_body=fields)  # type: ignore[arg-type]
            assert client.videos.poll(theirs.id).status == "completed"
            assert client.videos.download_content(theirs.id).read() == film
        mine, his = (jobs.get(name).result["windows_reused"] for name in (video.id, theirs.id))
        assert (mine, his) == (0, 0)  # the same film, and yet rendered anew

        with httpx.Client(base_url=url, timeout=60) as browser:
            query = browser.post(f"/v1/videos/{video.id}/sign", headers={"Authorization": f"Bearer {a}"}).json()
            assert browser.get(query["urls"]["content"]).content == film
            playlist = browser.get(query["urls"]["hls"])
            assert playlist.status_code == 200, playlist.text
            parts = [line for line in playlist.text.splitlines() if line and not line.startswith("#")]
            assert parts
            for part in parts:
                assert browser.get(f"/v1/videos/{video.id}/hls/{part}").status_code == 200
                assert browser.get(f"/v1/videos/{video.id}/hls/{part.split('?')[0]}").status_code == 401
                assert browser.get(f"/v1/videos/{theirs.id}/hls/{part}").status_code == 401
            for name in ("thumbnail", "spritesheet", "plan", "timeline", "report", "events"):
                assert browser.get(query["urls"][name]).status_code == 200, name
            assert browser.get(f"/v1/videos/{video.id}").status_code == 401
            browser.post("/login", json={"key": a}, headers={"Origin": url}).raise_for_status()
            assert browser.get(f"/v1/videos/{video.id}/content").content == film
            assert browser.get(f"/v1/videos/{theirs.id}/content").status_code == 404
            assert ended(browser, video.id)["status"] == "completed"
            refused = browser.delete(f"/v1/videos/{video.id}", headers={"Origin": "http://evil.example"})
            assert refused.status_code == 403
            assert browser.delete(f"/v1/videos/{video.id}", headers={"Origin": url}).json()["deleted"]
