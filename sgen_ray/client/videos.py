"""What can be asked about videos, once: `AsyncVideos`. `client.Videos` is the same, blocking."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack
from urllib.parse import quote

from pydantic import BaseModel, RootModel

from . import schema
from .calls import Calls, CutOff
from .downloads import OnBytes, download
from .errors import Conflict, NotFound, ServerError, VideoFailed
from .sse import Message, Reader
from .uploads import Picture, reference

Shots = Sequence[schema.Shot | dict[str, Any]]
Variant = Literal["video", "thumbnail", "spritesheet"]
OnVideo = Callable[[schema.Video], None]
OnEvent = Callable[[schema.Event], None]
_VIDEOS = "/v1/videos"


class Wishes(TypedDict, total=False):
    """Of a new film; what is not given is the service's own choice. As in schema.CreateVideo."""

    shots: Shots | None
    model: str | None
    seconds: float | None
    size: str | None
    fps: int | None
    seed: int | None
    steps: int | None
    plan_steps: int | None
    guidance: float | None
    negative_prompt: str | None
    approve: bool
    input_reference: Picture | None
    idempotency_key: str | None


class _Json(RootModel[dict[str, Any]]):
    """Any object."""


class AsyncVideos:
    """Every call raises APIError where it does not succeed; what may pass by itself has been tried again by then.

    Calls that make a new video carry an idempotency key of their own, so that none of these tries makes a second one.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(self, prompt: str | None = None, **wishes: Unpack[Wishes]) -> schema.Video:
        """Asks for a film of a prompt or of `shots`, and returns. With `approve` it stops when its plan is made."""
        given: dict[str, Any] = {name: value for name, value in wishes.items() if value is not None}
        key = given.pop("idempotency_key", None)
        if "input_reference" in given:
            given["input_reference"] = reference(given["input_reference"])
        return await self._make("", schema.CreateVideo(prompt=prompt, **given), key)

    async def create_and_wait(
        self,
        prompt: str | None = None,
        *,
        on_progress: OnVideo | None = None,
        on_event: OnEvent | None = None,
        **wishes: Unpack[Wishes],
    ) -> schema.Video:
        """`create`, then `wait`."""
        video = await self.create(prompt, **wishes)
        return await self.wait(video.id, on_progress=on_progress, on_event=on_event)

    async def wait(
        self, id: str, *, on_progress: OnVideo | None = None, on_event: OnEvent | None = None
    ) -> schema.Video:
        """The video when it is completed or waits for approval.

        on_progress gets the video whenever its record may have changed, on_event every event as it comes.

        Raises:
            VideoFailed: it failed, or somebody cancelled it.
        """
        async with aclosing(self._events(id, None)) as events:
            async for event in events:
                if on_event is not None:
                    on_event(event)
                if event.type == "state" and event.data.get("state") == "awaiting_approval":
                    video = await self.retrieve(id)
                    if video.status == "awaiting_approval":  # and not approved since
                        break
                elif on_progress is not None and event.id is not None and event.type != "end":
                    on_progress(await self.retrieve(id))
        video = await self.retrieve(id)
        if on_progress is not None:
            on_progress(video)
        if video.status == "failed":
            raise VideoFailed(video)
        return video

    async def retrieve(self, id: str) -> schema.Video:
        return await self._calls.ask(schema.Video, "GET", _path(id))

    async def list(self, *, page: int = 100) -> AsyncIterator[schema.Video]:
        """All of them, the newest first, fetched as they are wanted, `page` at a time."""
        after: str | None = None
        while True:
            params = {"limit": page} | ({} if after is None else {"after": after})
            found = await self._calls.ask(schema.VideoList, "GET", _VIDEOS, params=params)
            for video in found.data:
                yield video
            after = found.last_id
            if not found.has_more or after is None:
                return

    async def events(self, id: str, *, after: int | None = None) -> AsyncIterator[schema.Event]:
        """What happens to it, from the beginning (or after the event of that number) to the event `end`.

        A lost connection is made again, and goes on after the last numbered event.
        """
        async with aclosing(self._events(id, after)) as events:
            async for event in events:
                yield event

    async def approve(self, id: str, *, shots: Shots | None = None) -> schema.Video:
        """Goes on to rendering; with `shots`, plans these first and waits for approval again."""
        body = schema.ApproveVideo(shots=shots)  # type: ignore[arg-type]  # pydantic makes shots of mappings
        try:
            return await self._calls.ask(schema.Video, "POST", _path(id, "approve"), body=body)
        except Conflict as refused:
            if refused.attempts == 1:
                raise
            video = await self.retrieve(id)
            if video.status in ("failed", "awaiting_approval"):
                raise
            return video  # an earlier try approved it, and the answer got lost

    async def edit(self, id: str, shot: int, prompt: str, *, idempotency_key: str | None = None) -> schema.Video:
        """A new film with another prompt for one shot, counted from 1; only what changes is rendered."""
        body = schema.EditVideo(prompt=prompt, shot=shot, video=schema.VideoReference(id=id))
        return await self._make("/edits", body, idempotency_key)

    async def extend(
        self, id: str, seconds: float, prompt: str | None = None, *, idempotency_key: str | None = None
    ) -> schema.Video:
        """A new film with a shot more, or without a prompt with more of the last one."""
        body = schema.ExtendVideo(seconds=seconds, prompt=prompt, video=schema.VideoReference(id=id))
        return await self._make("/extensions", body, idempotency_key)

    async def remix(self, id: str, prompt: str, *, shot: int = 1, idempotency_key: str | None = None) -> schema.Video:
        """The film anew, with another prompt for one shot, counted from 1."""
        return await self._make(f"/{_quoted(id)}/remix", schema.RemixVideo(prompt=prompt, shot=shot), idempotency_key)

    async def retry(self, id: str, *, idempotency_key: str | None = None) -> schema.Video:
        """The same again where a film failed or was cancelled, with all that it was given."""
        return await self._make(f"/{_quoted(id)}/retry", None, idempotency_key)

    async def character(
        self, name: str, *, picture: Picture | None = None, video: str | None = None
    ) -> schema.Character:
        """Keeps whoever is in a picture or in a finished film, by its id: prompts may say @name from then on."""
        shown = schema.VideoReference(id=video) if video else schema.PictureReference(**reference(picture or b""))
        body = schema.CreateCharacter(name=name, video=shown)
        return await self._calls.ask(schema.Character, "POST", f"{_VIDEOS}/characters", body=body)

    async def cancel(self, id: str) -> schema.Video:
        """Stops the work at its next step; finished windows are kept for the next film like it."""
        return await self._calls.ask(schema.Video, "POST", _path(id, "cancel"))

    async def delete(self, id: str) -> schema.VideoDeleted:
        """Forgets it; work on it is stopped."""
        try:
            return await self._calls.ask(schema.VideoDeleted, "DELETE", _path(id))
        except NotFound as gone:
            if gone.attempts == 1:
                raise
            return schema.VideoDeleted(id=id)  # an earlier try did it, and the answer got lost

    async def download(
        self, id: str, path: str | PathLike[str], *, variant: Variant = "video", on_bytes: OnBytes | None = None
    ) -> Path:
        """Writes the finished film, its thumbnail or its spritesheet; goes on where an earlier download stopped."""
        return await download(self._calls, _path(id, "content"), _file(path), {"variant": variant}, on_bytes)

    async def plan(self, id: str, path: str | PathLike[str]) -> Path:
        """Writes the plan: as a filmstrip (.png), or as the plan itself (.arrow)."""
        params = {"format": "arrow"} if str(path).endswith(".arrow") else None
        return await download(self._calls, _path(id, "plan"), _file(path), params)

    async def timeline(self, id: str, path: str | PathLike[str]) -> Path:
        """Writes a picture (.png) of which renderer painted which window when."""
        return await download(self._calls, _path(id, "timeline"), _file(path))

    async def report(self, id: str) -> dict[str, Any]:
        """Seams, drift, timings and timeline of a finished film."""
        return (await self._calls.ask(_Json, "GET", _path(id, "report"))).root

    async def _make(self, place: str, body: BaseModel | None, key: str | None) -> schema.Video:
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return await self._calls.ask(schema.Video, "POST", _VIDEOS + place, body=body, headers=headers)

    async def _events(self, id: str, after: int | None) -> AsyncGenerator[schema.Event]:
        quiet = 0  # connections in a row that brought nothing
        while True:
            headers = {"Accept": "text/event-stream"} | ({} if after is None else {"Last-Event-ID": str(after)})
            reader = Reader()
            try:
                async with self._calls.stream(_path(id, "events"), headers=headers) as answer:
                    async for chunk in self._calls.chunks(answer):
                        quiet = 0
                        for message in reader.feed(chunk):
                            event = event_of(message)
                            after = after if event.id is None else event.id
                            yield event
                            if event.type == "end":
                                return
                raise CutOff(f"the events of {id} ended before the film did")
            except CutOff as cut:
                quiet += 1
                await self._calls.pause(quiet, cut)


def event_of(message: Message) -> schema.Event:
    """Raises ServerError: it is none."""
    try:
        number = None if message.id is None else int(message.id)
        return schema.Event.model_validate({**json.loads(message.data), "type": message.event, "id": number})
    except (ValueError, TypeError) as error:
        raise ServerError(f"the service sent an event that cannot be read: {message.data[:100]!r}") from error


def _path(id: str, what: str | None = None) -> str:
    return f"{_VIDEOS}/{_quoted(id)}" + (f"/{what}" if what else "")


def _quoted(id: str) -> str:
    """No id reaches another route."""
    if id in ("", ".", ".."):
        raise NotFound(f"there is no video {id!r}", code="not_found")
    return quote(id, safe="")


def _file(path: str | PathLike[str]) -> Path:
    return Path(path).expanduser()
