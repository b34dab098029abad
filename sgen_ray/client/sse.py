"""Server-sent events, read as the HTML standard says, but for one thing: an event's `id` is its own or None.

The standard, and httpx-sse with it, gives an event without an id the last one's; here an event without an id is one
that does not come again (schema.Event), and a reader must be able to tell.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field

_utf8 = codecs.getincrementaldecoder("utf-8-sig")


@dataclass(frozen=True)
class Message:
    event: str
    data: str
    id: str | None


@dataclass
class Reader:
    """Takes bytes in whatever pieces they come, gives whole messages. What is half there at the end is dropped."""

    _decode: codecs.IncrementalDecoder = field(default_factory=lambda: _utf8("replace"))
    _rest: str = ""
    _fields: list[tuple[str, str]] = field(default_factory=list)

    def feed(self, data: bytes) -> Iterator[Message]:
        text = self._rest + self._decode.decode(data)
        held = text.endswith("\r")  # perhaps half of a line's end
        *lines, rest = text[: len(text) - held].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = rest + "\r" * held
        for line in lines:
            name, _, value = line.partition(":")
            if name:
                self._fields.append((name, value.removeprefix(" ")))
            elif not line:
                yield from self._message()

    def _message(self) -> Iterator[Message]:
        fields, self._fields = self._fields, []
        data = [value for name, value in fields if name == "data"]
        if data:
            last = {name: value for name, value in fields if "\0" not in value}
            yield Message(last.get("event") or "message", "\n".join(data), last.get("id") or None)
