"""Routes that make, change and end videos, with real workers on the toy model."""

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from service import FILM, Place, ended, toy_place

from sgen_ray.jobs.jobs import Jobs
from sgen_ray.orders import plan_of_job

TWO = {"shots": [{"prompt": "one", "seconds": 4}, {"prompt": "two", "seconds": 4}]}
TWO |= {name: FILM[name] for name in ("size", "steps", "plan_steps")}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return toy_place(tmp_path, monkeypatch)


@pytest.fixture
def client(place: Place) -> Iterator[TestClient]:
    with TestClient(place.app) as client:
        yield client


def error(answer, status: int = 400) -> dict:
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    told = answer.json()["error"]
    assert set(told) == {"message", "type", "param", "code"}
    assert "\n" not in told["message"]
    return told


def test_from_create_to_content(client: TestClient, place: Place) -> None:
    answer = client.post("/v1/videos", json=FILM)
    assert answer.status_code == 200, answer.text
    assert answer.headers["openai-poll-after-ms"] == "1000"
    video = answer.json()
    assert (video["object"], video["status"], video["seconds"], video["size"]) == ("video", "queued", "4", "64x32")
    assert error(client.get(f"/v1/videos/{video['id']}/content"), 409)
    with place.films():
        done = ended(client, video["id"])
    assert (done["status"], done["progress"], done["error"]) == ("completed", 100, None)
    content = client.get(f"/v1/videos/{video['id']}/content")
    assert content.headers["content-type"] == "video/mp4" and content.content[4:8] == b"ftyp"
    with Jobs(place.settings.url, place.settings.store) as jobs:
        job = jobs.get(video["id"])
        assert job.output is None and job.result is not None and job.result["path"] is None
        assert place.app.state.service.artifacts("local").get("video", job.film) == content.content


def test_a_form_says_the_same_as_json(client: TestClient) -> None:
    form = {name: str(value) for name, value in FILM.items()}
    one, other = (
        client.post("/v1/videos", files={"prompt": (None, form.pop("prompt"))}, data=form),
        client.post("/v1/videos", json=FILM),
    )
    same = {"id", "created_at"}
    assert {k: v for k, v in one.json().items() if k not in same} == {
        k: v for k, v in other.json().items() if k not in same
    }


def test_a_storyboard_in_a_form(client: TestClient) -> None:
    brackets = {"shots[][prompt]": ["one", "two"], "shots[][seconds]": ["4", "5"], "size": "64x32"}
    fields = [(name, value) for name in ("shots[][prompt]", "shots[][seconds]") for value in brackets[name]]
    fields = [fields[0], fields[2], fields[1], fields[3]]  # as they are serialised: entry by entry
    body = [(name, (None, value)) for name, value in fields]
    video = client.post("/v1/videos", files=body).json()
    assert video["shots"] == [{"prompt": "one", "seconds": 4.0}, {"prompt": "two", "seconds": 5.0}]
    as_json = {"shots": '[{"prompt": "one", "seconds": 4}]', "size": "64x32"}
    assert client.post("/v1/videos", data=as_json).json()["shots"] == [{"prompt": "one", "seconds": 4.0}]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None),
        ({"prompt": ""}, None),
        ({"prompt": "a", "seconds": "long"}, "seconds"),
        ({"prompt": "a", "seconds": 1e9}, None),
        ({"prompt": "a", "seconds": "inf"}, "seconds"),
        ({"prompt": "a", "size": "huge"}, None),
        ({"prompt": "a", "seed": "7"}, "seed"),
        ({"prompt": "a", "wings": 2}, "wings"),
        ({"prompt": "a", "model": "../../etc"}, "model"),
        ({"prompt": "a", "shots": []}, "shots"),
        ({"prompt": "a" * 2001}, None),
        ({"shots": [{"prompt": "a", "seconds": 1, "x": 1}]}, "shots.0.x"),
        ({"prompt": "a", "input_reference": "https://example.com/a.png"}, "input_reference"),
    ],
)
def test_what_cannot_be_is_refused_with_400(client: TestClient, body: dict, param: str | None) -> None:
    assert error(client.post("/v1/videos", json=body))["param"] == param


def test_lists_have_cursors_and_orders(client: TestClient) -> None:
    ids = [client.post("/v1/videos", json=FILM | {"seed": seed}).json()["id"] for seed in range(3)]
    first = client.get("/v1/videos", params={"limit": 2}).json()
    assert [video["id"] for video in first["data"]] == [ids[2], ids[1]] and first["has_more"]
    rest = client.get("/v1/videos", params={"limit": 2, "after": first["last_id"]}).json()
    assert [video["id"] for video in rest["data"]] == [ids[0]] and not rest["has_more"]
    upwards = client.get("/v1/videos", params={"order": "asc", "limit": 1, "after": ids[0]}).json()
    assert [video["id"] for video in upwards["data"]] == [ids[1]]
    client.post(f"/v1/videos/{ids[1]}/cancel")
    for state, found in (("cancelled", [ids[1]]), ("queued", [ids[2], ids[0]]), ("failed", [ids[1]])):
        assert [video["id"] for video in client.get("/v1/videos", params={"state": state}).json()["data"]] == found
    error(client.get("/v1/videos", params={"state": "asleep"}))
    error(client.get("/v1/videos", params={"after": "x"}))
    error(client.get("/v1/videos", params={"limit": 0}))


def test_one_key_makes_one_video(client: TestClient) -> None:
    key = {"Idempotency-Key": "once"}
    one = client.post("/v1/videos", json=FILM, headers=key).json()
    assert client.post("/v1/videos", json=FILM, headers=key).json()["id"] == one["id"]
    error(client.post("/v1/videos", json=FILM | {"seed": 9}, headers=key), 409)


def test_a_deleted_video_is_unknown_and_its_work_stops(client: TestClient, place: Place) -> None:
    place.factory = type(place.factory)(pause=0.2)
    video = client.post("/v1/videos", json=FILM | {"seconds": 60, "steps": 50}).json()
    with place.films(1):
        ended(client, video["id"], "rendering")
        assert client.delete(f"/v1/videos/{video['id']}").json() == {
            "id": video["id"], "deleted": True, "object": "video.deleted",
        }  # fmt: skip
        error(client.get(f"/v1/videos/{video['id']}"), 404)
        error(client.delete(f"/v1/videos/{video['id']}"), 404)
        place.factory = type(place.factory)()
        other = client.post("/v1/videos", json=FILM).json()  # the only thread is free again
        assert ended(client, other["id"])["status"] == "completed"
    assert [video["id"] for video in client.get("/v1/videos").json()["data"]] == [other["id"]]


def test_cancel_ends_as_failed(client: TestClient) -> None:
    video = client.post("/v1/videos", json=FILM).json()
    told = client.post(f"/v1/videos/{video['id']}/cancel").json()
    assert (told["status"], told["state"], told["error"]["code"]) == ("failed", "cancelled", "cancelled")


def test_films_are_changed(client: TestClient, place: Place) -> None:
    with place.films():
        video = client.post("/v1/videos", json=TWO).json()["id"]
        error(client.post(f"/v1/videos/{video}/remix", json={"prompt": "x", "shot": 1, "wings": 2}))
        ended(client, video)
        remix = client.post(f"/v1/videos/{video}/remix", json={"prompt": "three", "shot": 2}).json()
        edit = client.post("/v1/videos/edits", data={"prompt": "three", "shot": "2", "video[id]": video}).json()
        longer = client.post("/v1/videos/extensions", json={"video": {"id": video}, "seconds": "3"}).json()
        assert [one["remixed_from_video_id"] for one in (remix, edit, longer)] == [video] * 3
        assert [one["kind"] for one in (remix, edit, longer)] == ["remix", "edit", "extend"]
        assert [shot["prompt"] for shot in remix["shots"]] == ["one", "three"]
        assert longer["seconds"] == "11"
        done = [ended(client, one["id"])["status"] for one in (remix, edit, longer)]
        assert done == ["completed"] * 3
        film = client.get(f"/v1/videos/{video}/content").content
        sent = client.post("/v1/videos/edits", data={"prompt": "three", "shot": "2"}, files={"video": film}).json()
        assert sent["shots"] == edit["shots"] and ended(client, sent["id"])["status"] == "completed"
    both = {"prompt": "three", "video[id]": video}
    error(client.post("/v1/videos/edits", data=both, files={"video": film}))
    error(client.post("/v1/videos/edits", data={"prompt": "x"}, files={"video": b"\0\0\0\x18ftypisom, broken"}))
    error(client.post("/v1/videos/edits", json={"prompt": "x"}))
    error(client.post("/v1/videos/edits", json={"prompt": "x", "video": {"id": "../x"}}), 404)
    error(client.post(f"/v1/videos/{video}/remix", json={"prompt": "x", "shot": 3}))


def test_a_plan_waits_for_approval(client: TestClient, place: Place) -> None:
    with place.films():
        video = client.post("/v1/videos", json=TWO | {"approve": True}).json()["id"]
        waiting = ended(client, video, "awaiting_approval")
        assert waiting["status"] == "awaiting_approval" and waiting["plan_ready"]
        changed = [TWO["shots"][0], {"prompt": "three", "seconds": 4}]
        again = client.post(f"/v1/videos/{video}/approve", json={"shots": changed}).json()
        assert again["state"] == "queued" and again["shots"][1]["prompt"] == "three"
        ended(client, video, "awaiting_approval")
        with Jobs(place.settings.url, place.settings.store) as jobs:
            assert jobs.get(video).held is not None  # the first shot stays as it was
        client.post(f"/v1/videos/{video}/approve")
        assert ended(client, video)["status"] == "completed"
        error(client.post(f"/v1/videos/{video}/approve"), 409)
        error(client.post(f"/v1/videos/{video}/approve", json={"shots": changed}), 409)


def test_models(client: TestClient) -> None:
    (model,) = client.get("/v1/models").json()["data"]
    assert model["id"] == "toy" and model["known_words"] == ["shot"] and model["fps"] == 8
    assert client.get("/v1/models/toy").json() == model
    error(client.get("/v1/models/..%2f..%2fetc"), 404)


def test_readyz_tells_who_works(client: TestClient, place: Place) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert error(client.get("/readyz"), 503)["code"] == "workers"
    with place.films(2):
        video = client.post("/v1/videos", json=FILM).json()
        ended(client, video["id"])
        assert client.get("/readyz").json() == {"status": "ready", "films": 2}
    assert error(client.get("/readyz"), 503)["code"] == "workers"


def test_a_full_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with TestClient(toy_place(tmp_path, monkeypatch, max_queue=1).app) as client:
        client.post("/v1/videos", json=FILM)
        refused = client.post("/v1/videos", json=FILM)
        assert error(refused, 429)["type"] == "rate_limit_error" and int(refused.headers["Retry-After"]) > 0


def test_a_film_begins_with_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = io.BytesIO()
    Image.new("RGB", (64, 32), (90, 200, 20)).save(held, "PNG")
    place = toy_place(tmp_path, monkeypatch)
    address = "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()
    with TestClient(place.app) as client, place.films():
        form = client.post("/v1/videos", data=FILM, files={"input_reference": held.getvalue()}).json()
        body = client.post("/v1/videos", json={**FILM, "input_reference": {"image_url": address}}).json()
        for made in (form, body):
            assert ended(client, made["id"])["status"] == "completed"
    with Jobs(place.settings.url, place.settings.store) as jobs:
        plans = {plan_of_job(jobs.get(made["id"]), place.settings.store).first.tobytes() for made in (form, body)}
    assert plans == {place.factory.see(np.full((8, 8, 3), (90, 200, 20), np.uint8)).latents.tobytes()}


def test_the_same_again_has_all_that_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = io.BytesIO()
    Image.new("RGB", (64, 32), (90, 200, 20)).save(held, "PNG")
    place = toy_place(tmp_path, monkeypatch)
    with TestClient(place.app) as client:
        video = client.post("/v1/videos", data=FILM | {"seed": 7}, files={"input_reference": held.getvalue()}).json()
        assert "queued" in error(client.post(f"/v1/videos/{video['id']}/retry"), 409)["message"]
        client.post(f"/v1/videos/{video['id']}/cancel")
        key = {"Idempotency-Key": "once"}
        again = client.post(f"/v1/videos/{video['id']}/retry", headers=key).json()
        assert client.post(f"/v1/videos/{video['id']}/retry", headers=key).json()["id"] == again["id"] != video["id"]
        assert [again[name] for name in ("seed", "shots", "size")] == [
            video[name] for name in ("seed", "shots", "size")
        ]
        with place.films():
            assert ended(client, again["id"])["status"] == "completed"
        error(client.post(f"/v1/videos/{again['id']}/retry"), 409)
        error(client.post("/v1/videos/job_00000000000000000000/retry"), 404)
        with Jobs(place.settings.url, place.settings.store) as jobs:
            first = plan_of_job(jobs.get(again["id"]), place.settings.store).first
            assert jobs.get(again["id"]).held == jobs.get(video["id"]).held is not None
        assert np.array_equal(first, place.factory.see(np.full((8, 8, 3), (90, 200, 20), np.uint8)).latents)
        monkeypatch.setattr(type(place.factory), "fingerprint", lambda self: "toy-2")
        assert "not the one" in error(client.post(f"/v1/videos/{video['id']}/retry"), 409)["message"]


def test_a_plan_that_was_given_up_waits_again_as_it_was(client: TestClient, place: Place) -> None:
    with place.films():
        video = client.post("/v1/videos", json=TWO | {"approve": True}).json()["id"]
        ended(client, video, "awaiting_approval")
        client.post(f"/v1/videos/{video}/approve", json={"shots": [TWO["shots"][0], {"prompt": "three", "seconds": 4}]})
        ended(client, video, "awaiting_approval")
        client.post(f"/v1/videos/{video}/cancel")
        again = client.post(f"/v1/videos/{video}/retry").json()["id"]
        assert ended(client, again, "awaiting_approval")["plan_ready"]
        with Jobs(place.settings.url, place.settings.store) as jobs:
            plans = [plan_of_job(jobs.get(id), place.settings.store) for id in (again, video)]
        assert np.array_equal(plans[0].semantic, plans[1].semantic)  # and not planned anew, without what was kept
        client.post(f"/v1/videos/{again}/approve")
        assert ended(client, again)["status"] == "completed"


def test_a_picture_that_is_none_is_refused(client: TestClient) -> None:
    form = {"prompt": "a"}
    told = error(client.post("/v1/videos", data=form, files={"input_reference": b"GIF89a" + bytes(100)}))
    assert told["code"] == "invalid_value" and "picture" in told["message"] and told["param"] == "input_reference"
    error(client.post("/v1/videos", data=form, files={"prompt": b"a file"}))


def test_the_manual_needs_no_script_and_no_other_host(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200 and not re.search(r'<script|src=|href="http', page.text)
    for path in client.get("/openapi.json").json()["paths"]:
        assert f"<code>{path}</code>" in page.text
    assert client.get("/docs.css").headers["content-type"].startswith("text/css")
