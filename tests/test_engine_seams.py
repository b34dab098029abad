"""Windows that wait for others: names, order, resume, edits and the stitched film, on threads of this process."""

import dataclasses
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import toy_model
from toy_model import ToyFactory

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import WindowFinished
from sgen_ray.engine.film import Film, lay_out, to_do
from sgen_ray.engine.generate import generate_film
from sgen_ray.errors import Cancelled
from sgen_ray.jobs.arrays import arrays_from_bytes
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.fingerprints import local_backend
from sgen_ray.revision import edit_shot
from sgen_ray.types import Plan, Video
from sgen_ray.windows import Seams

LOCAL = EngineConfig(in_process=True, renderers=2, window=12, overlap=4, segment=4)
BOUND: tuple[Seams, ...] = ("red-black", "anchors", "anchored-red-black")


def plan(**wishes: object) -> Plan:
    return toy_model.ToyPlanner(ToyFactory()).plan(toy_model.request(**wishes))  # type: ignore[arg-type]


def laid_out(made: Plan, seams: Seams) -> Film:
    return lay_out(made, (1, 1), "toy-1", local_backend("cpu"), dataclasses.replace(LOCAL, seams=seams))


def film(folder: Path, seams: Seams, made: Plan | None = None, renderers: int = 2, **more: object) -> Video:
    """40 latent frames: windows 0-12, 8-20, 16-28, 24-36, 32-40."""
    folder.mkdir(exist_ok=True)
    made = made or plan()
    engine = dataclasses.replace(LOCAL, seams=seams, renderers=renderers)
    factory = more.pop("factory", None) or ToyFactory()
    return generate_film(
        made.request, factory, folder / "film.mp4", store=folder / "store", engine=engine, plan=made, **more
    )  # type: ignore[arg-type]


def latents(folder: Path, laid: Film, index: int) -> np.ndarray:
    data = Artifacts(folder / "store").get("window", laid.window_names[index])
    assert data is not None
    return arrays_from_bytes(data)["latents"]


def test_a_name_carries_those_that_its_window_waits_for() -> None:
    before = plan()
    semantic = before.semantic.copy()
    semantic[2] += 1  # latent frames 4 and 5, which window 0 alone shows
    after = dataclasses.replace(before, semantic=semantic)

    moved = {seams: changed(laid_out(before, seams), laid_out(after, seams)) for seams in get_args(Seams)}
    assert moved["independent"] == [0]
    assert moved["red-black"] == [0, 1]  # window 1 is held to window 0, and nothing to window 1
    assert moved["anchors"] == moved["anchored-red-black"] == [0, 1, 2, 3, 4]  # window 0 gives the shot's anchors
    names = [name for seams in get_args(Seams) for name in laid_out(before, seams).window_names]
    assert len(set(names)) < len(names)  # those that wait for nothing are shared between all ways
    assert len({laid_out(before, seams).window_names[1] for seams in get_args(Seams)}) == 4


@pytest.mark.parametrize("seams", BOUND)
def test_the_same_film_whatever_the_renderers(tmp_path: Path, seams: Seams) -> None:
    films = [film(tmp_path / str(count), seams, renderers=count) for count in (1, 2, 3)]
    assert len({video.path.read_bytes() for video in films}) == 1
    assert [video.windows_rendered for video in films] == [5, 5, 5]


def test_red_black_windows_agree_to_the_bit(tmp_path: Path) -> None:
    film(tmp_path, "red-black")
    laid = laid_out(plan(), "red-black")
    for index in range(4):
        earlier, later = latents(tmp_path, laid, index), latents(tmp_path, laid, index + 1)
        np.testing.assert_array_equal(earlier[:, -4:], later[:, :4])
    apart = tmp_path / "apart"
    film(apart, "independent")
    laid = laid_out(plan(), "independent")
    assert np.abs(latents(apart, laid, 0)[:, -4:] - latents(apart, laid, 1)[:, :4]).max() > 0.01


def test_windows_are_painted_when_what_they_need_is_there(tmp_path: Path) -> None:
    order: list[int] = []

    def on_event(event: object) -> None:
        if isinstance(event, WindowFinished):
            order.append(event.window)

    notes = tmp_path / "notes"
    notes.mkdir()
    film(tmp_path, "red-black", renderers=1, factory=ToyFactory(notes), on_event=on_event)
    assert order.index(1) > max(order.index(0), order.index(2))
    assert order.index(3) > max(order.index(2), order.index(4))


@pytest.mark.parametrize("seams", BOUND)
def test_resume_paints_none_twice(tmp_path: Path, seams: Seams) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    factory = ToyFactory(notes, pause=0.005)

    def stop(event: object) -> None:
        if isinstance(event, WindowFinished):
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        film(tmp_path, seams, factory=factory, on_event=stop)
    video = film(tmp_path, seams, factory=factory)
    assert [factory.noted(f"rendered {index}") for index in range(5)] == [1] * 5
    assert video.path.read_bytes() == film(tmp_path / "whole", seams).path.read_bytes()


@pytest.mark.parametrize("seams", BOUND)
def test_a_crash_changes_nothing(tmp_path: Path, seams: Seams) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    video = film(tmp_path / "crashed", seams, factory=ToyFactory(notes, crash_once=1))
    assert video.path.read_bytes() == film(tmp_path / "whole", seams).path.read_bytes()


def test_a_lost_segment_brings_back_a_window_and_what_that_waits_for(tmp_path: Path) -> None:
    film(tmp_path, "red-black")
    laid, store = laid_out(plan(), "red-black"), Artifacts(tmp_path / "store")
    assert to_do(laid, store).segments == frozenset()

    def lose(kind: str, name: str) -> None:
        for path in (tmp_path / "store" / kind / name).iterdir():
            path.unlink()

    lose("segment", laid.parts[3].fingerprint)  # latent frames 12 to 16, 11 to 17 with the halo: windows 1 and 2
    lose("window", laid.window_names[1])
    todo = to_do(laid, store)
    assert ([w.index for w in todo.render], [w.index for w in todo.add]) == ([1], [0, 2])
    assert todo.waits == {1: frozenset()}
    lose("window", laid.window_names[0])  # shown in the lost segment by frame 11
    lose("window", laid.window_names[2])
    todo = to_do(laid, store)
    assert [w.index for w in todo.render] == [0, 1, 2]
    assert todo.waits == {0: frozenset(), 1: frozenset({0, 2}), 2: frozenset()}


@pytest.mark.parametrize("seams", BOUND)
def test_an_edit_leaves_what_is_away_from_its_shot(seams: Seams) -> None:
    before = plan(seconds=60, shots=3)  # 120 latent frames, cuts at 40 and 80; 15 windows
    old, new = laid_out(before, seams), laid_out(edited(before), seams)
    assert changed(old, new) == {
        "red-black": [3, 4, 5, 6, 7, 8, 9],  # window 3, 24 to 36, ends before the shot, but is held to window 4
        "anchors": [4, 5, 6, 7, 8, 9],
        "anchored-red-black": [3, 4, 5, 6, 7, 8, 9],
    }.get(seams)  # fmt: skip
    kept = [a.index for a, b in zip(old.parts, new.parts, strict=True) if a.fingerprint == b.fingerprint]
    assert kept == [*range(7 if seams == "anchors" else 5), *range(22, 30)]


def test_an_edited_film_keeps_its_other_segments(tmp_path: Path) -> None:
    before = plan(seconds=24, shots=3)  # 48 latent frames, cuts at 16 and 32; windows start at 0, 8, 16, 24, 32
    after = edited(before)
    old, new = laid_out(before, "red-black"), laid_out(after, "red-black")
    film(tmp_path, "red-black", before)
    again = film(tmp_path, "red-black", after)
    assert again.windows_rendered == len(changed(old, new)) < again.windows
    whole = film(tmp_path / "whole", "red-black", after)
    assert again.path.read_bytes() == whole.path.read_bytes()


def edited(before: Plan) -> Plan:
    """The second shot of three shows something else."""
    revision = edit_shot(before, 2, "another thing")
    request = dataclasses.replace(before.request, shots=revision.shots)
    return toy_model.ToyPlanner(ToyFactory()).plan(request, held=revision.held)


def changed(old: Film, new: Film) -> list[int]:
    return [i for i, pair in enumerate(zip(old.window_names, new.window_names, strict=True)) if pair[0] != pair[1]]


def test_ways_that_are_not_known_are_named() -> None:
    with pytest.raises(ValueError, match="seams must be one of independent, red-black"):
        EngineConfig(seams="glue")  # type: ignore[arg-type]


def test_what_another_job_paints_holds_back_only_what_waits_for_it(tmp_path: Path) -> None:
    laid = laid_out(plan(), "red-black")  # window 1 waits for 0 and 2, window 3 for 2 and 4
    todo = to_do(laid, Artifacts(tmp_path / "store"))
    assert todo.waits == {0: frozenset(), 1: frozenset({0, 2}), 2: frozenset(), 3: frozenset({2, 4}), 4: frozenset()}
    ours = todo.of(laid, frozenset({1, 2, 3, 4}))
    assert [window.index for window in ours.render] == [2, 3, 4]
    assert ours.waits == {2: frozenset(), 3: frozenset({2, 4}), 4: frozenset()}
    assert ours.segments == {part.index for part in laid.parts if not {0, 1} & {*part.windows}}
    assert todo.of(laid, frozenset({1, 3})).render == ()
