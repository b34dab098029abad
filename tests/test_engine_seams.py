"""Windows that wait for others: names, order, resume, edits and the stitched film, on threads of this process."""

import dataclasses
from pathlib import Path

import pytest
import toy_model
from toy_model import ToyFactory

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import WindowFinished
from sgen_ray.engine.film import Film, lay_out, to_do
from sgen_ray.engine.generate import generate_film
from sgen_ray.errors import Cancelled
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.fingerprints import local_backend
from sgen_ray.revision import edit_shot
from sgen_ray.types import Plan, Shot, Video
from sgen_ray.windows import Seams

LOCAL = EngineConfig(in_process=True, renderers=2, window=12, overlap=4, segment=4)


def plan(**wishes: object) -> Plan:
    return toy_model.ToyPlanner(ToyFactory()).plan(toy_model.request(**wishes))  # type: ignore[arg-type]


def cut_early() -> Plan:
    """A cut at latent frame 16. Window 1 shows both shots and looks at windows 0 and 2; windows 3 and 4 look at 2."""
    return plan(shots=(Shot("shot 0", 8), Shot("shot 1", 12)))


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


def test_a_name_carries_those_that_its_window_waits_for() -> None:
    before = plan()
    semantic = before.semantic.copy()
    semantic[2] += 1  # latent frames 4 and 5, which window 0 alone shows
    after = dataclasses.replace(before, semantic=semantic)

    assert changed(laid_out(before, "independent"), laid_out(after, "independent")) == [0]
    assert changed(laid_out(before, "anchors"), laid_out(after, "anchors")) == [0, 1, 2, 3, 4]  # which look at window 0
    # One that waits for nothing is the same either way.
    assert changed(laid_out(before, "independent"), laid_out(before, "anchors")) == [1, 2, 3, 4]


def test_the_same_film_whatever_the_renderers(tmp_path: Path) -> None:
    films = [film(tmp_path / str(count), "anchors", renderers=count) for count in (1, 2, 3)]
    assert len({video.path.read_bytes() for video in films}) == 1
    assert [video.windows_rendered for video in films] == [5, 5, 5]


def test_windows_are_painted_when_what_they_need_is_there(tmp_path: Path) -> None:
    order: list[int] = []

    def on_event(event: object) -> None:
        if isinstance(event, WindowFinished):
            order.append(event.window)

    notes = tmp_path / "notes"
    notes.mkdir()
    film(tmp_path, "anchors", cut_early(), renderers=1, factory=ToyFactory(notes), on_event=on_event)
    assert order.index(1) > max(order.index(0), order.index(2))
    assert order.index(2) < min(order.index(3), order.index(4))


def test_resume_paints_none_twice(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    factory = ToyFactory(notes, pause=0.005)

    def stop(event: object) -> None:
        if isinstance(event, WindowFinished):
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        film(tmp_path, "anchors", factory=factory, on_event=stop)
    video = film(tmp_path, "anchors", factory=factory)
    assert [factory.noted(f"rendered {index}") for index in range(5)] == [1] * 5
    assert video.path.read_bytes() == film(tmp_path / "whole", "anchors").path.read_bytes()


def test_a_crash_changes_nothing(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    video = film(tmp_path / "crashed", "anchors", factory=ToyFactory(notes, crash_once=1))
    assert video.path.read_bytes() == film(tmp_path / "whole", "anchors").path.read_bytes()


def test_a_lost_segment_brings_back_a_window_and_what_that_waits_for(tmp_path: Path) -> None:
    film(tmp_path, "anchors", cut_early())
    laid, store = laid_out(cut_early(), "anchors"), Artifacts(tmp_path / "store")
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


def test_an_edit_leaves_what_is_away_from_its_shot() -> None:
    before = plan(seconds=60, shots=3)  # 120 latent frames, cuts at 40 and 80; 15 windows
    old, new = laid_out(before, "anchors"), laid_out(edited(before), "anchors")
    assert changed(old, new) == [4, 5, 6, 7, 8, 9]
    kept = [a.index for a, b in zip(old.parts, new.parts, strict=True) if a.fingerprint == b.fingerprint]
    assert kept == [*range(7), *range(22, 30)]


def test_an_edited_film_keeps_its_other_segments(tmp_path: Path) -> None:
    before = plan(seconds=24, shots=3)  # 48 latent frames, cuts at 16 and 32; windows start at 0, 8, 16, 24, 32
    after = edited(before)
    old, new = laid_out(before, "anchors"), laid_out(after, "anchors")
    film(tmp_path, "anchors", before)
    again = film(tmp_path, "anchors", after)
    assert again.windows_rendered == len(changed(old, new)) < again.windows
    whole = film(tmp_path / "whole", "anchors", after)
    assert again.path.read_bytes() == whole.path.read_bytes()


def edited(before: Plan) -> Plan:
    """The second shot of three shows something else."""
    revision = edit_shot(before, 2, "another thing")
    request = dataclasses.replace(before.request, shots=revision.shots)
    return toy_model.ToyPlanner(ToyFactory()).plan(request, held=revision.held)


def changed(old: Film, new: Film) -> list[int]:
    return [i for i, pair in enumerate(zip(old.window_names, new.window_names, strict=True)) if pair[0] != pair[1]]


def test_ways_that_are_not_known_are_named() -> None:
    with pytest.raises(ValueError, match="seams must be one of independent, anchors"):
        EngineConfig(seams="glue")  # type: ignore[arg-type]


def test_what_another_job_paints_holds_back_only_what_waits_for_it(tmp_path: Path) -> None:
    laid = laid_out(cut_early(), "anchors")
    todo = to_do(laid, Artifacts(tmp_path / "store"))
    waits = {3: frozenset({2}), 4: frozenset({2})}
    assert todo.waits == {0: frozenset(), 1: frozenset({0, 2}), 2: frozenset(), **waits}
    ours = todo.of(laid, frozenset({1, 2, 3, 4}))
    assert [window.index for window in ours.render] == [2, 3, 4]
    assert ours.waits == {2: frozenset(), **waits}
    assert ours.segments == {part.index for part in laid.parts if not {0, 1} & {*part.windows}}
    assert todo.of(laid, frozenset({1, 3})).render == ()
