"""Changing a film: what is held, and that everything which sees nothing new keeps its bytes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import toy_model
from toy_model import ToyFactory

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.film import Film, lay_out
from sgen_ray.engine.generate import generate_film, make_plan
from sgen_ray.engine.stored import stored_segment
from sgen_ray.errors import RequestError
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.fingerprints import Backend
from sgen_ray.revision import Revision, edit_shot, extend, rewrite
from sgen_ray.types import Plan, Shot, Video

LOCAL = EngineConfig(in_process=True, renderers=2, window=8, overlap=4, segment=4)


@pytest.fixture(scope="module")
def plan() -> Plan:
    """24 s in four shots: 48 latent frames, 24 semantic steps."""
    return ToyFactory().planner("cpu", 1).plan(toy_model.request(24, 4))


def test_another_prompt_holds_all_other_shots(plan: Plan) -> None:
    change = edit_shot(plan, 2, "a storm")
    assert [shot.prompt for shot in change.shots] == ["shot 0", "a storm", "shot 2", "shot 3"]
    assert [shot.seconds for shot in change.shots] == [6] * 4
    assert sorted(change.held) == [*range(6), *range(12, 24)]
    assert all(np.array_equal(tokens, plan.semantic[step]) for step, tokens in change.held.items())
    assert sorted(edit_shot(plan, 1, "a storm").held) == [*range(6, 24)]
    assert sorted(edit_shot(plan, 4, "a storm").held) == [*range(18)]


@pytest.mark.parametrize("number", [0, 5, -1])
def test_a_shot_that_is_not_there(plan: Plan, number: int) -> None:
    with pytest.raises(RequestError, match=f"no shot {number}: the film has shots 1 to 4"):
        edit_shot(plan, number, "a storm")


def test_a_longer_film_holds_all_that_there_was(plan: Plan) -> None:
    change = extend(plan, 5, "a storm")
    assert change.shots == (*plan.request.shots, Shot("a storm", 5))
    assert sorted(change.held) == [*range(24)]
    more = extend(plan, 5)
    assert more.shots == (*plan.request.shots[:3], Shot("shot 3", 11))
    assert sorted(more.held) == [*range(24)]


@pytest.mark.parametrize(("seconds", "kept"), [(10.25, 10), (10.5, 11), (11, 11)])
def test_a_half_filled_step_goes_with_the_cut(seconds: float, kept: int) -> None:
    plan = ToyFactory().planner("cpu", 1).plan(toy_model.request(seconds))
    assert sorted(extend(plan, 5, "a storm").held) == [*range(kept)]


# Through the engine


def make(folder: Path, name: str, change: Revision) -> tuple[Plan, Video]:
    request = dataclasses.replace(toy_model.request(24, 4), shots=change.shots)
    made = make_plan(request, ToyFactory(), store=folder, held=change.held, engine=LOCAL)
    film = generate_film(request, ToyFactory(), folder / name, store=folder, engine=LOCAL, held=change.held)
    return made, film


def parts(folder: Path, plan: Plan) -> tuple[Film, list[bytes]]:
    """The film's bookkeeping with made-up backend, and what the store has of each segment by its real name."""
    film = lay_out(plan, ToyFactory.halo, "toy-1", real_backend(), LOCAL)
    return film, [stored_segment(Artifacts(folder), part.fingerprint, part.index) for part in film.parts]


def real_backend() -> Backend:
    from sgen_ray.jobs.fingerprints import local_backend

    return local_backend("cpu")


def test_an_edit_renders_what_sees_it_and_nothing_else(plan: Plan, tmp_path: Path) -> None:
    before, first = make(tmp_path, "first.mp4", Revision(plan.request.shots, {}))
    assert first.windows_rendered == first.windows == 11
    change = edit_shot(before, 2, "a storm")
    after, second = make(tmp_path, "second.mp4", change)
    held = sorted(change.held)
    assert np.array_equal(after.semantic[held], before.semantic[held])
    assert not np.array_equal(after.semantic[6:12], before.semantic[6:12])
    old, old_parts = parts(tmp_path, before)
    new, new_parts = parts(tmp_path, after)
    # Shot 2 is latent frames 12 to 24; windows of 8 start every 4: those from 8 to 20 see it.
    changed = {w.index for w, a, b in zip(old.windows, old.window_names, new.window_names, strict=True) if a != b}
    assert changed == {2, 3, 4, 5} and second.windows_rendered == 4
    for part, a, b in zip(old.parts, old_parts, new_parts, strict=True):
        # Four latent frames of overlap and one of halo reach no further than this.
        if part.stop <= 12 - 4 - 1 or part.start >= 24 + 4 + 1:
            assert a == b, f"segment {part.index} has changed"
        if part.start >= 12 and part.stop <= 24:
            assert a != b, f"segment {part.index} has not"


def test_a_longer_film_keeps_its_beginning(plan: Plan, tmp_path: Path) -> None:
    before, _ = make(tmp_path, "first.mp4", Revision(plan.request.shots, {}))
    after, longer = make(tmp_path, "longer.mp4", extend(before, 6, "a storm"))
    assert longer.seconds == 30 and np.array_equal(after.semantic[:24], before.semantic)
    assert longer.windows_rendered == 3  # from where the last one ended; it keeps its frames and its name
    old, old_parts = parts(tmp_path, before)
    _, new_parts = parts(tmp_path, after)
    kept = [part.index for part in old.parts if part.stop <= 44 - 1]
    assert len(kept) == 10 and all(old_parts[i] == new_parts[i] for i in kept)


def test_another_storyboard_holds_what_stays(plan: Plan) -> None:
    old = plan.request.shots
    one = rewrite(plan, [old[0], Shot("a storm", 6), old[2], old[3]])
    assert sorted(one.held) == sorted(edit_shot(plan, 2, "a storm").held)
    two = rewrite(plan, [Shot("a storm", 6), old[1], old[2], Shot("a calm", 6)])
    assert sorted(two.held) == [*range(6, 18)]
    assert rewrite(plan, [*old[:3], Shot("shot 3", 7)]).held == {}
    assert rewrite(plan, old[:3]).held == {}
