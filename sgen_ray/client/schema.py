"""The wire: what the HTTP service takes and gives, as OpenAI's Videos API has it and with what sgen-ray adds.

Server and client share these models; they need pydantic only. Fields that OpenAI's API does not have are optional in
requests and ignored by its clients in answers.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["queued", "in_progress", "awaiting_approval", "completed", "failed"]
"""`awaiting_approval`: only after creation with `approve`. A cancelled video is failed, with code cancelled."""


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Answer(BaseModel):
    """A client of this version reads answers of a newer one."""

    model_config = ConfigDict(extra="ignore")


class Shot(_Request):
    """One shot of a storyboard."""

    prompt: str = Field(examples=["water evaporating from the ocean under a hot sun"])
    seconds: float = Field(examples=[15])


class CreateVideo(_Request):
    """POST /v1/videos. `prompt` or `shots`; with both, the prompt goes before every shot's own."""

    prompt: str | None = Field(None, examples=["An astronaut walking on Mars, the Earth visible in the sky"])
    shots: list[Shot] | None = None
    model: str | None = None
    seconds: float | str | None = Field(None, description='OpenAI\'s clients send text, like "60".')
    size: str | None = Field(None, examples=["512x256"])
    fps: int | None = None
    seed: int | None = None
    steps: int | None = None
    plan_steps: int | None = None
    guidance: float | None = None
    negative_prompt: str | None = None
    approve: bool = Field(False, description="Stop when the plan is made, until POST /v1/videos/{id}/approve.")
    input_reference: Any = Field(
        None,
        description='The first frame: a picture as a file of the form, or {"image_url": "data:image/png;base64,..."}.',
    )


class VideoReference(_Request):
    id: str


class RemixVideo(_Request):
    """POST /v1/videos/{id}/remix: the film anew with another prompt for its first, or its named, shot."""

    prompt: str
    shot: int = Field(1, description="Counted from 1.")


class EditVideo(_Request):
    """POST /v1/videos/edits"""

    prompt: str
    video: VideoReference
    shot: int = Field(1, description="Counted from 1.")


class ExtendVideo(_Request):
    """POST /v1/videos/extensions: a new shot at the end, or without a prompt more of the last one."""

    prompt: str | None = None
    video: VideoReference
    seconds: float | str


class ApproveVideo(_Request):
    """POST /v1/videos/{id}/approve: goes on to rendering; with `shots`, plans these first and stops again."""

    shots: list[Shot] | None = None


class PictureReference(_Request):
    image_url: str = Field(examples=["data:image/png;base64,..."])


class CreateCharacter(_Request):
    """POST /v1/videos/characters: `video` is a picture or a film as a file of the form, or as JSON a film's id or a
    picture."""

    name: str = Field(examples=["rex"], description="Used in prompts as @rex; replaces an earlier one of that name.")
    video: VideoReference | PictureReference | None = None


class Character(_Answer):
    id: str
    object: Literal["character"] = "character"
    created_at: int
    name: str
    description: str = Field(description="What stands in prompts for @name.")


class CharacterList(_Answer):
    object: Literal["list"] = "list"
    data: list[Character]


class CharacterDeleted(_Answer):
    id: str
    deleted: bool = True
    object: Literal["character.deleted"] = "character.deleted"


class VideoError(_Answer):
    code: str
    message: str


class Windows(_Answer):
    done: int
    total: int


class Video(_Answer):
    """A video job. Times are seconds since 1970."""

    id: str
    object: Literal["video"] = "video"
    model: str
    status: Status
    progress: int = Field(description="0 to 100: windows done of windows to do.")
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    prompt: str | None = None
    remixed_from_video_id: str | None = None
    error: VideoError | None = None
    seconds: str
    size: str

    state: str = Field(
        description="queued, planning, awaiting_approval, rendering, stitching, completed, failed, cancelled"
    )
    kind: str = Field(description="generate, edit, extend, remix or render")
    shots: list[Shot]
    fps: int
    seed: int
    windows: Windows
    plan_ready: bool = Field(description="Whether GET /v1/videos/{id}/plan shows it.")
    cancel_requested: bool = False


class VideoList(_Answer):
    object: Literal["list"] = "list"
    data: list[Video]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoDeleted(_Answer):
    id: str
    deleted: bool = True
    object: Literal["video.deleted"] = "video.deleted"


class Model(_Answer):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    size: str
    fps: int
    max_seconds: float
    known_words: list[str] = Field(default_factory=list, description="What a demo model has seen; empty: anything.")


class ModelList(_Answer):
    object: Literal["list"] = "list"
    data: list[Model]


class Painted(_Answer):
    """A window and the renderer that painted it; seconds since the job was submitted."""

    window: int
    renderer: int
    begin: float
    end: float


class Figures(_Answer):
    """Measured on the finished film: how much joins differ from the rest (1: nothing to see), how sharp overlaps are
    beside the rest, how much the end differs from the beginning, and how much moves."""

    seam_ratio: float | None
    overlap_sharpness: float | None
    drift: dict[str, float]
    motion: float


class Report(_Answer):
    """GET /v1/videos/{id}/report. What is not known before the film is finished is null until then."""

    id: str
    object: Literal["video.report"] = "video.report"
    status: Status
    figures: Figures | None
    wall: dict[str, float] | None = Field(description="Seconds by phase, which overlap, and in all.")
    utilisation: float | None = Field(description="Share of their time that renderers were busy.")
    renderers: int | None
    windows: int | None
    windows_rendered: int | None
    windows_reused: int | None
    frames: int | None
    timeline: list[Painted]


class Event(_Answer):
    """One of GET /v1/videos/{id}/events. In the stream: `event:` is the type, `data:` the rest, `id:` its number.

    Lasting events have a number and come again after Last-Event-ID; fleeting ones (`steps`) have none.

    Types: state {state, error?}; started {windows, segments, renderers, device, windows_reused, segments_reused,
    reused: [window, ...]}; phase {phase, state: started|finished, seconds?}; window {window, renderer, seconds, begin,
    end, done, total}; segment {segment, done, total}; lost {worker, work, cause}; steps {plan: {done, total} | null,
    windows: [{window, renderer, done, total}], eta: seconds | null}; end {status}: the last one.
    """

    type: str
    id: int | None = None
    at: float = Field(description="Seconds since 1970.")
    data: dict[str, Any]


class ErrorBody(_Answer):
    """OpenAI's error object, under the key "error"."""

    message: str
    type: str = Field(description="invalid_request_error, authentication_error, rate_limit_error, server_error, ...")
    param: str | None = None
    code: str | None = None


class ErrorAnswer(_Answer):
    error: ErrorBody
