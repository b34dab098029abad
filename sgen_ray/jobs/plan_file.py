"""A plan as an Arrow IPC file that plain pyarrow, pandas or DuckDB can read, one row a semantic step.

    step      int32                      index of the semantic step
    seconds   float64                    where in the film it begins
    shot      int32                      index of the shot that it begins in
    prompt    string                     that shot's prompt
    semantic  fixed_size_list<float32>   [h, w, C] flattened; the shape is in the schema's metadata
    text      list<float32>              on the step that a shot begins in: its text embeddings [L, D], flattened
    text_mask list<bool>                 likewise, [L]; shots that begin in one step follow each other in its row

A film that begins with a picture has its latent frame 0 under `sgen_first` in the schema's metadata, [C, H, W] float32.

Everything else is JSON under `sgen_plan` in the schema's metadata, with a sha256 of the contents: Arrow has no checksum
of its own. The same plan gives the same bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sgen_ray.errors import PlanError
from sgen_ray.jobs.fingerprints import content_fingerprint
from sgen_ray.media.files import replacing
from sgen_ray.shapes import Grid
from sgen_ray.types import Latents, Plan, Shot, VideoRequest

FORMAT = 1
_KEY = b"sgen_plan"
_FIRST = b"sgen_first"


def write_plan(plan: Plan, path: str | Path) -> None:
    """Writes the file whole or not at all.

    Raises:
        OutputError: it cannot be written there.
    """
    with replacing(Path(path)) as unfinished:
        unfinished.write_bytes(plan_to_bytes(plan))


def read_plan(path: str | Path) -> Plan:
    """The plan exactly as it was written.

    Raises:
        PlanError: there is no such file, or it is corrupt, truncated, or no plan.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise PlanError(f"cannot read the plan {path}: {error.strerror}") from error
    return plan_from_bytes(data, str(path))


def plan_to_bytes(plan: Plan) -> bytes:
    grid = plan.grid
    steps = len(plan.semantic)
    starts = np.arange(steps) * grid.semantic_stride
    shots = np.searchsorted(np.asarray(plan.shot_starts), starts, side="right") - 1
    begins: list[list[int]] = [[] for _ in range(steps)]
    for shot, start in enumerate(plan.shot_starts):
        begins[start // grid.semantic_stride].append(shot)

    columns = {
        "step": pa.array(range(steps), pa.int32()),
        "seconds": pa.array(starts * grid.temporal_compression / grid.fps, pa.float64()),
        "shot": pa.array(shots, pa.int32()),
        "prompt": pa.array([plan.request.shots[shot].prompt for shot in shots], pa.string()),
        "semantic": pa.FixedSizeListArray.from_arrays(
            pa.array(plan.semantic.astype(np.float32, copy=False).ravel()), int(np.prod(plan.semantic.shape[1:]))
        ),
        "text": pa.array([plan.text[rows].ravel() if rows else None for rows in begins], pa.list_(pa.float32())),
        "text_mask": pa.array(
            [plan.text_mask[rows].ravel() if rows else None for rows in begins], pa.list_(pa.bool_())
        ),
    }
    facts = {
        "format": FORMAT,
        "request": dataclasses.asdict(plan.request),
        "grid": dataclasses.asdict(grid),
        "semantic_shape": plan.semantic.shape,
        "text_shape": plan.text.shape,
        "shot_starts": plan.shot_starts,
        "frames": plan.frames,
        "latent_frames": plan.latent_frames,
        "model_fingerprint": plan.model_fingerprint,
        **({} if plan.first is None else {"first_shape": plan.first.shape}),
    }
    head = json.dumps({**facts, "sha256": _digest(facts, plan)}, sort_keys=True)
    first = {} if plan.first is None else {_FIRST: plan.first.astype("<f4", copy=False).tobytes()}
    table = pa.table(columns).replace_schema_metadata({_KEY: head.encode(), **first})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=steps)
    return bytes(sink.getvalue())


def kept_plan(plan: Plan) -> tuple[str, bytes]:
    """The name under which the store keeps the very plan of a film or a job, and its bytes."""
    data = plan_to_bytes(plan)
    return content_fingerprint("film's plan", data), data


def plan_from_bytes(data: bytes, name: str = "the plan") -> Plan:
    """As `read_plan`; `name` is what error messages call it."""
    try:
        table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PlanError(f"{name} is no Arrow file, or is cut off or damaged; make it again with sgen plan") from error
    head = (table.schema.metadata or {}).get(_KEY)
    if head is None:
        raise PlanError(f"{name} is an Arrow file but no plan; give one that sgen plan has made")
    try:
        facts: dict[str, Any] = json.loads(head)
        if facts["format"] != FORMAT:
            raise PlanError(f"{name} is in plan format {facts['format']}, this version reads {FORMAT}; make it again")
        digest = facts.pop("sha256")
        request = facts["request"]
        plan = Plan(
            request=VideoRequest(**{**request, "shots": tuple(Shot(**shot) for shot in request["shots"])}),
            grid=Grid(**facts["grid"]),
            semantic=_floats(table["semantic"]).reshape(facts["semantic_shape"]),
            text=_floats(table["text"]).reshape(facts["text_shape"]),
            text_mask=np.array(table["text_mask"].combine_chunks().flatten(), np.bool_).reshape(
                facts["text_shape"][:2]
            ),
            shot_starts=tuple(facts["shot_starts"]),
            frames=facts["frames"],
            latent_frames=facts["latent_frames"],
            model_fingerprint=facts["model_fingerprint"],
            first=_first(facts, table.schema.metadata),
        )
    except (pa.ArrowException, KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, PlanError):
            raise
        raise PlanError(f"{name} is damaged: its parts do not fit together; make it again with sgen plan") from error
    if _digest(facts, plan) != digest:
        raise PlanError(f"{name} is damaged: its checksum does not match; make it again with sgen plan")
    return plan


def _floats(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float32]]:
    """All values of a list column, one after another, as an array that may be written to."""
    return np.array(column.combine_chunks().flatten(), np.float32)


def _first(facts: dict[str, Any], metadata: dict[bytes, bytes]) -> Latents | None:
    if "first_shape" not in facts:
        return None
    return np.frombuffer(metadata[_FIRST], "<f4").reshape(facts["first_shape"]).astype(np.float32)


def _digest(facts: dict[str, Any], plan: Plan) -> str:
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    first = () if plan.first is None else (plan.first,)
    for array in (plan.semantic, plan.text, plan.text_mask, *first):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
