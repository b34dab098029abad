"""What a film is made of, as an artifact: so that what a job needs is known without its model and its settings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from sgen_ray.jobs.fingerprints import content_fingerprint


@dataclass(frozen=True)
class Manifest:
    """Fingerprints; `plan` is the name by which the finished film knows its plan. And how many `frames` of the film
    each segment shows; none in lists of older versions."""

    plan: str
    windows: tuple[str, ...]
    segments: tuple[str, ...]
    frames: tuple[int, ...] = ()

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @property
    def name(self) -> str:
        return content_fingerprint("film", self.to_bytes())


def manifest_from_bytes(data: bytes) -> Manifest:
    facts = json.loads(data)
    return Manifest(facts["plan"], tuple(facts["windows"]), tuple(facts["segments"]), tuple(facts.get("frames", ())))
