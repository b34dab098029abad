"""/v1/videos/characters: a character or product, kept from a picture or a film, usable in any prompt as @name.

The model that comes along knows a subject by its words, so a character is kept as those: what is recognised in the
picture. It stays itself over all shots because every prompt that names it says the same.
"""

from __future__ import annotations

import tempfile
import threading
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from fastapi import APIRouter, Depends
from numpy.typing import NDArray

from sgen_ray.client import schema
from sgen_ray.errors import SgenError
from sgen_ray.jobs.characters import Character
from sgen_ray.jobs.records import Job
from sgen_ray.jobs.states import JobState
from sgen_ray.media.pictures import read_picture
from sgen_ray.media.probe import iter_frames, probe
from sgen_ray.serving.body import Sent, sent
from sgen_ray.serving.content import expired, unfinished
from sgen_ray.serving.openapi import documented
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.service import By, Caller, In, Service
from sgen_ray.serving.uploads import naming_picture, picture_of

if TYPE_CHECKING:
    from sgen_ray.evaluation.judge import Judge

router = APIRouter(prefix="/v1/videos/characters", tags=["characters"])

_SECONDS = 5
"""Of a film's beginning, where a character is looked for: as much as the judge sees at once."""
_MOST_PIXELS = 4096 * 2304
_looking = threading.Lock()
"""One picture or film at a time is decoded and looked at in a process."""


@router.post("", **documented(schema.CreateCharacter, files=("video",)))
def create(
    caller: By,
    service: In,
    sent: Annotated[Sent[schema.CreateCharacter], Depends(sent(schema.CreateCharacter, "video"))],
) -> schema.Character:
    """Keep whoever is in a picture or a film: a file, or the id of a video."""
    from sgen_ray.evaluation.describe import describe

    with _looking:
        description = describe(_judge(), _frames(sent, service, caller))
    return character_of(service.jobs.add_character(caller.tenant, sent.body.name, description))


@router.get("", **documented())
def listed(caller: By, service: In) -> schema.CharacterList:
    """The caller's characters."""
    return schema.CharacterList(data=[character_of(found) for found in service.jobs.characters(caller.tenant)])


@router.get("/{character_id}", **documented())
def retrieve(character_id: str, caller: By, service: In) -> schema.Character:
    """What is known of it."""
    return character_of(service.jobs.character(character_id, tenant=caller.tenant))


@router.delete("/{character_id}", **documented())
def delete(character_id: str, caller: By, service: In) -> schema.CharacterDeleted:
    """Films that were made with it stay."""
    service.jobs.remove_character(character_id, tenant=caller.tenant)
    return schema.CharacterDeleted(id=character_id)


def character_of(character: Character) -> schema.Character:
    return schema.Character(
        id=character.id, name=character.name, description=character.description,
        created_at=int(character.created.timestamp()),
    )  # fmt: skip


@lru_cache(1)
def _judge() -> Judge:
    """Loads torch, which nothing else in a process that answers HTTP needs."""
    from sgen_ray.evaluation.judge import load_judge

    return load_judge()


def _frames(sent: Sent[schema.CreateCharacter], service: Service, caller: Caller) -> NDArray[np.uint8]:
    """[T, H, W, 3] at 8 a second."""
    from sgen_ray.evaluation.judge import HEIGHT, WIDTH

    match sent.body.video:
        case _ if "video" in sent.files:
            data = sent.files["video"]
        case schema.VideoReference(id=video_id):
            data = _film(service.job(video_id, caller), service)
        case schema.PictureReference(image_url=url):
            data = picture_of(url, "video")
        case _:
            raise Problem(400, "video: send a picture or a film as a file, or the id of a video", param="video")
    if data[4:8] != b"ftyp":
        with naming_picture("video"):
            return read_picture(data, WIDTH, HEIGHT)[None]
    with tempfile.NamedTemporaryFile(prefix="sgen-", suffix=".mp4") as kept:
        kept.write(data)
        kept.flush()
        try:
            return _beginning(Path(kept.name))
        except (SgenError, ValueError, OSError) as error:
            raise Problem(400, "video: the film cannot be read", param="video", code="invalid_upload") from error


def _film(job: Job, service: Service) -> bytes:
    if job.state is not JobState.COMPLETED:
        raise unfinished(job)
    data = service.artifacts(job.tenant).get("video", job.film or "")
    if data is None:
        raise expired(job)
    return data


def _beginning(path: Path) -> NDArray[np.uint8]:
    """The first seconds of a film, thinned out to 8 frames a second."""
    from sgen_ray.evaluation.judge import FPS

    facts = probe(path)
    if not 0 < facts.width * facts.height <= _MOST_PIXELS:
        raise ValueError(f"{facts.width}x{facts.height} pixels are too many")
    rate = float(facts.fps) or FPS
    stop = min(facts.frames, int(_SECONDS * rate), 60 * _SECONDS)
    wanted = {int(number * rate / FPS) for number in range(_SECONDS * FPS)}
    return np.stack([frame for index, frame in enumerate(islice(iter_frames(path), stop)) if index in wanted])
