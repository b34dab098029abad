"""OpenAI's own client, unchanged, against a real server: from create to download, remix and delete."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import BadRequestError, NotFoundError, OpenAI, omit
from service import Place, toy_place

SMALL = {"size": "64x32", "extra_body": {"steps": 2, "plan_steps": 2}}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return toy_place(tmp_path, monkeypatch, poll_after_ms=50)


@pytest.fixture
def client(place: Place) -> Iterator[OpenAI]:
    with (
        warnings.catch_warnings(),
        place.films(),
        place.listening() as address,
        OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
    ):
        # The hosted service closed; the client says so at every call.
        warnings.simplefilter("ignore", DeprecationWarning)
        yield client


def test_the_whole_cycle(client: OpenAI, tmp_path: Path) -> None:
    video = client.videos.create_and_poll(prompt="shot 0", seconds="4", **SMALL)  # type: ignore[arg-type]
    assert (video.status, video.progress, video.seconds, video.size) == ("completed", 100, "4", "64x32")
    client.videos.download_content(video.id).write_to_file(tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"

    remix = client.videos.remix(video.id, prompt="a storm")
    assert remix.remixed_from_video_id == video.id and remix.prompt == "a storm"
    # The client itself refuses a reference as `video`, though its types have it; so it goes beside.
    source = {"video": {"id": video.id}}
    edited = client.videos.edit(video=omit, prompt="a calm", extra_body=source)  # type: ignore[arg-type]
    longer = client.videos.extend(video=omit, prompt="more", seconds="4", extra_body=source)  # type: ignore[arg-type]
    assert (edited.prompt, longer.seconds) == ("a calm", "8")
    for made in (remix, edited, longer):
        assert client.videos.poll(made.id).status == "completed"
    with (tmp_path / "film.mp4").open("rb") as film:
        sent = client.videos.edit(video=film, prompt="a calm")
    assert client.videos.poll(sent.id).status == "completed"

    made = {video.id, remix.id, edited.id, longer.id, sent.id}
    assert {listed.id for listed in client.videos.list(limit=2)} == made  # goes through the pages by itself
    assert next(iter(client.videos.list(order="asc"))).id == video.id
    for one in made:
        assert client.videos.delete(one).deleted
    assert not list(client.videos.list())
    with pytest.raises(NotFoundError):
        client.videos.retrieve(video.id)
    assert [model.id for model in client.models.list()] == ["toy"]


def test_what_is_wrong_is_said(client: OpenAI, tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="there is no model 'sora-2'; there are: toy") as refused:
        client.videos.create(prompt="shot 0", model="sora-2")
    assert refused.value.code == "model_not_found" and refused.value.param == "model"
    (tmp_path / "frame.png").write_bytes(b"no picture")
    with pytest.raises(BadRequestError, match="give a PNG, JPEG or WebP file"):
        client.videos.create(prompt="shot 0", input_reference=tmp_path / "frame.png")
