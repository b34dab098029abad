"""What travelled between workers may be lost with a machine: it is made again from the store."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_model
from toy_model import ToyFactory

from sgen_ray.engine.actors import BlendSpec, Reblend, Renderer, Stitcher
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import WorkerLost
from sgen_ray.engine.generate import generate_film
from sgen_ray.engine.local import LocalCall
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.media.encode import Encoding
from sgen_ray.types import Video
from sgen_ray.windows import split


def film(folder: Path, **more: Any) -> Video:
    folder.mkdir()
    settings = EngineConfig(renderers=2, device="cpu", window=8, overlap=4, segment=4, in_process=True)
    return generate_film(
        toy_model.request(), ToyFactory(), folder / "film.mp4", store=folder / "store", engine=settings, **more
    )


def test_a_segment_blended_again_is_the_same(tmp_path: Path) -> None:
    factory = ToyFactory()
    plan = factory.planner("cpu", 1).plan(toy_model.request())
    spec = BlendSpec(split(40, 4, 8, 4), factory.grid, factory.halo, plan.frames, 4, plan.shot_starts)
    renderer = Renderer(lambda: False, factory, "cpu", 1)
    stitcher = Stitcher(lambda: False, spec, str(tmp_path), ())
    encoding, store = Encoding(64, 32, 8, 8), Artifacts(tmp_path)
    renderer.load()
    stitcher.load()
    named = tuple((window, f"name {window.index}") for window in spec.windows)
    for window, name in named:
        _, latents = renderer.render(str(tmp_path), plan, window, name)
        indices, ready = stitcher.add(window, name, latents)
        for place, index in enumerate(indices):
            shown = tuple(pair for pair in named if pair[0].start <= 4 * index + 4 and pair[0].stop >= 4 * index)
            renderer.decode(str(tmp_path), Reblend(spec, shown), index, encoding, f"again {index}")
            renderer.decode(str(tmp_path), ready, place, encoding, f"first {index}")
            assert store.get("segment", f"again {index}") == store.get("segment", f"first {index}") is not None


def test_a_stored_window_is_not_painted_again(tmp_path: Path) -> None:
    """As where a renderer died after it had stored its window, and before it could say so."""
    notes = tmp_path / "notes"
    notes.mkdir()
    factory = ToyFactory(notes)
    plan = factory.planner("cpu", 1).plan(toy_model.request())
    renderer = Renderer(lambda: False, factory, "cpu", 1)
    renderer.load()
    window = split(40, 4, 8, 4)[3]
    _, first = renderer.render(str(tmp_path / "store"), plan, window, "name")
    _, second = renderer.render(str(tmp_path / "store"), plan, window, "name")
    assert np.array_equal(first, second)
    assert factory.noted("rendered 3") == 1


def test_lost_payloads_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every payload is lost the first time that another worker asks for it: latents and segments."""
    asked: set[bytes] = set()
    value = LocalCall.value

    def lost_at_first(call: LocalCall) -> Any:
        given = value(call)
        content = pickle.dumps(given)
        if content not in asked:
            asked.add(content)
            raise RuntimeError("the object is lost, as its machine is")
        return given

    truth = film(tmp_path / "truth").path.read_bytes()
    monkeypatch.setattr(LocalCall, "value", lost_at_first)
    events: list[object] = []
    video = film(tmp_path / "film", on_event=events.append)
    assert video.path.read_bytes() == truth
    lost = {event.work.split()[0] for event in events if isinstance(event, WorkerLost)}
    assert lost == {"add", "decode"}
