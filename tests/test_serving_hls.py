"""Live playback over HTTP, by the players' own library: every frame once, in time, and the same as in the film."""

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import httpx
import imageio_ffmpeg
import numpy as np
import pytest
import toy_model
from fastapi import FastAPI
from served import app_of, film, serving

from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.manifest import manifest_from_bytes
from sgen_ray.jobs.records import Job
from sgen_ray.jobs.states import JobState


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return app_of(tmp_path)


@pytest.fixture
def jobs(app: FastAPI) -> Iterator[Jobs]:
    with app.state.service.jobs as opened:
        yield opened


@pytest.fixture
def client(app: FastAPI, jobs: Jobs) -> Iterator[httpx.Client]:
    with serving(app) as address, httpx.Client(base_url=address, timeout=60) as opened:
        yield opened


def decoded(source: str | Path, *options: str) -> np.ndarray:
    """Frames as ffmpeg shows them: [T, H * 3 / 2, W], repeated or dropped where times are not even."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *options, "-i", str(source)]
    done = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"], capture_output=True, timeout=120, check=True
    )
    assert done.stderr == b""
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, 48, 64)


def playlist_of(client: httpx.Client, job: Job, query: str = "") -> str:
    return f"{client.base_url}/v1/videos/{job.id}/hls/film.m3u8{query}"


@pytest.mark.parametrize("fps", [8, 24, 3, 1])
def test_a_finished_film_plays_frame_by_frame(client: httpx.Client, jobs: Jobs, tmp_path: Path, fps: int) -> None:
    job = film(tmp_path, jobs, toy_model.request(seconds=19.4, fps=fps))
    whole = decoded(tmp_path / f"{job.id}.mp4")
    assert len(whole) == job.request.frames
    assert np.array_equal(decoded(playlist_of(client, job)), whole)
    with av.open(playlist_of(client, job)) as played:
        times = [packet.pts * packet.time_base for packet in played.demux(video=0) if packet.size]  # type: ignore[operator]
    assert [round((moment - times[0]) * fps, 3) for moment in times] == list(range(len(whole)))
    text = client.get(playlist_of(client, job)).text
    assert text.endswith("#EXT-X-ENDLIST\n")
    lengths = [float(line[8:-1]) for line in text.splitlines() if line.startswith("#EXTINF:")]
    assert sum(lengths) == pytest.approx(len(whole) / fps, abs=1e-4)


def test_a_film_plays_while_it_is_made(client: httpx.Client, jobs: Jobs, tmp_path: Path) -> None:
    job = jobs.submit(toy_model.request(seconds=20, steps=8), model="toy-1")
    worker = threading.Thread(target=film, args=(tmp_path, jobs), kwargs={"pause": 0.05})
    waiting = client.get(playlist_of(client, job))
    assert (waiting.status_code, waiting.json()["error"]["code"]) == (409, "video_not_ready")
    worker.start()
    try:
        while (first := client.get(playlist_of(client, job))).status_code != 200:
            time.sleep(0.05)
        assert "ENDLIST" not in first.text and "0.m4s" in first.text
        played = decoded(playlist_of(client, job), "-live_start_index", "0")
    finally:
        worker.join()
    assert np.array_equal(played, decoded(tmp_path / f"{job.id}.mp4"))


def test_only_what_is_there_from_the_beginning_is_listed(client: httpx.Client, jobs: Jobs, tmp_path: Path) -> None:
    made = film(tmp_path, jobs, toy_model.request())
    data = Artifacts(tmp_path).get("film", made.film or "")
    assert data is not None
    names = manifest_from_bytes(data).segments
    artifacts = Artifacts(tmp_path)
    kept = {name: artifacts.get("segment", name) for name in names}
    for stored in artifacts.everything():
        if stored.kind == "segment":
            artifacts.remove(stored)
    job = jobs.submit(toy_model.request(), owner="worker")
    assert job.lease is not None
    assert client.get(playlist_of(client, job)).status_code == 409
    jobs.advance(job.lease, JobState.RENDERING, film=made.film)

    def listed() -> list[str]:
        answer = client.get(playlist_of(client, job))
        return [line for line in answer.text.splitlines() if line.endswith(".m4s")]

    assert client.get(playlist_of(client, job)).json()["error"]["code"] == "video_not_ready"
    assert client.get(f"/v1/videos/{job.id}/hls/init.mp4").status_code == 409
    for number, expected in ((1, 0), (0, 2), (3, 2), (2, 4)):
        artifacts.put("segment", names[number], kept[names[number]] or b"")
        assert listed() == [f"{index}.m4s" for index in range(expected)]
    fragment = client.get(f"/v1/videos/{job.id}/hls/1.m4s")
    assert fragment.headers["content-type"] == "video/mp4"
    tag = fragment.headers["etag"]
    assert client.get(f"/v1/videos/{job.id}/hls/1.m4s", headers={"If-None-Match": tag}).status_code == 304
    assert client.get(f"/v1/videos/{job.id}/hls/7.m4s").status_code == 409
    jobs.advance(job.lease, JobState.STITCHING)  # all is painted, and some of it not yet encoded
    assert len(listed()) == 4 and "ENDLIST" not in client.get(playlist_of(client, job)).text
    for wrong in ("10.m4s", "-1.m4s", "99999.m4s"):
        assert client.get(f"/v1/videos/{job.id}/hls/{wrong}").status_code in (404,), wrong
    assert client.get(f"/v1/videos/{job.id}/hls/x.m4s").status_code == 400
    jobs.fail(job.lease, "test", "as a test wanted")
    assert client.get(playlist_of(client, job)).text.endswith("3.m4s\n#EXT-X-ENDLIST\n")


def test_a_signed_playlist_hands_its_signature_on(client: httpx.Client, jobs: Jobs, tmp_path: Path) -> None:
    job = film(tmp_path, jobs, toy_model.request())
    text = client.get(playlist_of(client, job, "?expires=9&signature=a%22%0Ab")).text
    assert '#EXT-X-MAP:URI="init.mp4?expires=9&signature=a%22%0Ab"' in text
    assert "\n3.m4s?expires=9&signature=a%22%0Ab\n" in text
    assert len(decoded(playlist_of(client, job, "?expires=9"))) == job.request.frames


def test_other_tenants_films_do_not_play(client: httpx.Client, jobs: Jobs) -> None:
    job = jobs.submit(toy_model.request(), tenant="other")
    for name in ("film.m3u8", "init.mp4", "0.m4s"):
        assert client.get(f"/v1/videos/{job.id}/hls/{name}").status_code == 404
