"""Finished films, their stills, plans and reports over HTTP: from the store alone, whole and in ranges."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import toy_model
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from served import app_of, film

from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.records import Job
from sgen_ray.media.probe import probe, read_frames
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.ranges import asked_range

REQUEST = toy_model.request(shots=2)


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return app_of(tmp_path)


@pytest.fixture
def jobs(app: FastAPI) -> Iterator[Jobs]:
    with app.state.service.jobs as opened:
        yield opened


@pytest.fixture
def client(app: FastAPI, jobs: Jobs) -> TestClient:
    return TestClient(app)


@pytest.fixture
def made(jobs: Jobs, tmp_path: Path) -> Job:
    return film(tmp_path, jobs, REQUEST)


def mp4(folder: Path, job: Job) -> bytes:
    return (folder / f"{job.id}.mp4").read_bytes()


def test_a_film_is_given_whole_or_in_ranges(client: TestClient, made: Job, tmp_path: Path) -> None:
    url, data = f"/v1/videos/{made.id}/content", mp4(tmp_path, made)
    whole = client.get(url)
    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["content-disposition"] == f'inline; filename="{made.id}.mp4"'
    assert whole.headers["accept-ranges"] == "bytes" and int(whole.headers["content-length"]) == len(data)
    tag = whole.headers["etag"]

    def part(ask: str, **headers: str) -> tuple[int, bytes, str | None]:
        answer = client.get(url, headers={"Range": ask, **headers})
        return answer.status_code, answer.content, answer.headers.get("content-range")

    size = len(data)
    assert part("bytes=10-19") == (206, data[10:20], f"bytes 10-19/{size}")
    assert part("bytes=10-") == (206, data[10:], f"bytes 10-{size - 1}/{size}")
    assert part("bytes=-7") == (206, data[-7:], f"bytes {size - 7}-{size - 1}/{size}")
    assert part(f"bytes=0-{size * 2}") == (206, data, f"bytes 0-{size - 1}/{size}")
    assert part("bytes=0-1", **{"If-Range": tag}) == (206, data[:2], f"bytes 0-1/{size}")
    assert part("bytes=0-1", **{"If-Range": '"other"'}) == (200, data, None)
    for whole_again in ("bytes=0-1,4-5", "bytes=5-2", "lines=1-2", "bytes=x-", "bytes=-"):
        assert part(whole_again) == (200, data, None)
    beyond = client.get(url, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    assert beyond.json()["error"]["code"] == "invalid_range"
    assert client.get(url, headers={"If-None-Match": f'"x", {tag}'}).status_code == 304
    head = client.head(url, headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(size))
    assert head.headers["etag"] == tag


@given(header=st.text("bytes=0123456789-, ", max_size=30) | st.text(), size=st.integers(1, 100))
def test_no_range_is_outside_of_the_file(header: str, size: int) -> None:
    try:
        asked = asked_range(header, size)
    except Problem as problem:
        assert problem.status == 416
        return
    assert asked is None or 0 <= asked[0] < asked[1] <= size


def test_stills_are_made_once(client: TestClient, made: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"{made.id}.mp4"
    facts = probe(path)
    thumbnail = client.get(f"/v1/videos/{made.id}/content?variant=thumbnail")
    assert thumbnail.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(thumbnail.content)) as picture:
        assert picture.size == (facts.width, facts.height)
        true = read_frames(path, [facts.frames // 3])[0]
        assert np.abs(np.asarray(picture).astype(int) - true).mean() < 3
    sheet = client.get(f"/v1/videos/{made.id}/content?variant=spritesheet")
    with Image.open(io.BytesIO(sheet.content)) as picture:
        assert picture.size == (1600, 2 * 80)
    monkeypatch.setattr("sgen_ray.serving.content._still", lambda *_: 1 / 0)
    for variant, first in (("thumbnail", thumbnail), ("spritesheet", sheet)):
        again = client.get(f"/v1/videos/{made.id}/content?variant={variant}")
        assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    wrong = client.get(f"/v1/videos/{made.id}/content?variant=../x")
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "variant")


def test_a_film_that_is_gone_is_joined_again_or_said_to_be_gone(client: TestClient, made: Job, tmp_path: Path) -> None:
    url, data = f"/v1/videos/{made.id}/content", mp4(tmp_path, made)
    artifacts = Artifacts(tmp_path)
    tag = client.get(url).headers["etag"]
    for stored in artifacts.everything():
        if stored.kind == "video":
            artifacts.remove(stored)
    again = client.get(url)
    assert (again.content, again.headers["etag"]) == (data, tag)
    for stored in artifacts.everything():
        if stored.kind in ("video", "segment"):
            artifacts.remove(stored)
    gone = client.get(url)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "expired")
    assert client.get(f"{url}?variant=thumbnail").json()["error"]["code"] == "expired"


def test_films_that_are_not_there_say_why(client: TestClient, jobs: Jobs) -> None:
    job = jobs.submit(REQUEST)

    def told(place: str = "content") -> tuple[int, str, str]:
        answer = client.get(f"/v1/videos/{job.id}/{place}")
        error = answer.json()["error"]
        return answer.status_code, error["code"], error["message"]

    status, code, message = told()
    assert (status, code) == (409, "video_not_ready") and "is queued; wait" in message
    assert told("plan")[:2] == (409, "video_not_ready")
    assert client.get(f"/v1/videos/{job.id}/timeline").status_code == 200
    claimed = jobs.claim("worker")
    assert claimed is not None and claimed.lease is not None
    jobs.fail(claimed.lease, "model", "its weights are cut off")
    assert told() == (404, "video_failed", f"the video {job.id} failed: its weights are cut off")
    job = jobs.submit(REQUEST)
    jobs.request_cancel(job.id)
    assert told()[:2] == told("plan")[:2] == (404, "video_cancelled")
    job = jobs.submit(REQUEST, tenant="other")
    for place in ("content", "plan", "report", "timeline"):
        assert told(place)[:2] == (404, "not_found")


def test_plan_report_and_timeline(client: TestClient, made: Job, jobs: Jobs, tmp_path: Path) -> None:
    strip = client.get(f"/v1/videos/{made.id}/plan")
    assert strip.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(strip.content)) as picture:
        assert picture.width == 10 * 128 + 8
    arrow = client.get(f"/v1/videos/{made.id}/plan?format=arrow")
    table = pa.ipc.open_file(pa.BufferReader(arrow.content)).read_all()
    assert set(table["prompt"].to_pylist()) == {"shot 0", "shot 1"}
    assert arrow.headers["content-disposition"] == f'inline; filename="{made.id}-plan.arrow"'

    report = client.get(f"/v1/videos/{made.id}/report").json()
    assert (report["id"], report["status"], report["windows"], report["renderers"]) == (made.id, "completed", 9, 2)
    assert report["figures"]["seam_ratio"] > 0 and report["wall"]["total"] > 0 and report["frames"] == 160
    assert sorted(row["window"] for row in report["timeline"]) == list(range(9))
    assert str(tmp_path) not in client.get(f"/v1/videos/{made.id}/report").text
    picture = client.get(f"/v1/videos/{made.id}/timeline")
    with Image.open(io.BytesIO(picture.content)) as image:
        assert image.format == "PNG"

    waiting = client.get(f"/v1/videos/{jobs.submit(REQUEST).id}/report").json()
    assert (waiting["figures"], waiting["timeline"], waiting["status"]) == (None, [], "queued")


def test_a_plan_that_waits_for_approval_is_seen(client: TestClient, jobs: Jobs, tmp_path: Path) -> None:
    jobs.submit(toy_model.request(seconds=600, shots=3), model="toy-1", approve=True)
    job = film(tmp_path, jobs)
    strip = client.get(f"/v1/videos/{job.id}/plan")
    assert strip.status_code == 200
    with Image.open(io.BytesIO(strip.content)) as picture:
        assert picture.height < 16 * 70  # not one for each of the 600 seconds
    artifacts = Artifacts(tmp_path)
    for stored in artifacts.everything():
        artifacts.remove(stored)
    gone = client.get(f"/v1/videos/{job.id}/plan").json()["error"]
    assert gone["code"] == "video_not_ready"
