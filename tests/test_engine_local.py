"""The engine without Ray: policies, bookkeeping, and whole films on threads of this process."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import toy_model
from toy_model import GRID, ToyFactory

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import (
    Event,
    FilmStarted,
    PhaseFinished,
    PhaseStarted,
    PlanStep,
    SegmentEncoded,
    WindowFinished,
    WorkerLost,
)
from sgen_ray.engine.generate import generate_film, make_plan, preview_plan
from sgen_ray.engine.local import LocalRuntime
from sgen_ray.engine.machine import Layout, Machine, choose, this_machine
from sgen_ray.engine.policy import RetryPolicy, next_worker
from sgen_ray.errors import Cancelled, EngineError, ModelError, OutputError, PlanError
from sgen_ray.jobs.fingerprints import fingerprint, local_backend, visible, window_fingerprint
from sgen_ray.jobs.plan_file import plan_from_bytes, plan_to_bytes
from sgen_ray.types import Plan, Video, VideoRequest
from sgen_ray.windows import split

GIB = 1 << 30
LOCAL = EngineConfig(in_process=True, renderers=2, window=8, overlap=4, segment=4)


def film(
    folder: Path,
    request: VideoRequest | None = None,
    factory: ToyFactory | None = None,
    engine: EngineConfig = LOCAL,
    store: str = "store",
    **more: object,
) -> Video:
    """20 seconds: 40 latent frames, 9 windows, 10 segments."""
    folder.mkdir(exist_ok=True)
    return generate_film(
        request or toy_model.request(),
        factory or ToyFactory(),
        folder / "film.mp4",
        store=folder / store,
        engine=engine,
        **more,  # type: ignore[arg-type]
    )


def stored(folder: Path, kind: str) -> set[str]:
    root = folder / "store" / kind
    return {path.name for path in root.iterdir()} if root.exists() else set()


# Policies


@pytest.mark.parametrize(
    ("machine", "wishes", "expected"),
    [
        (Machine(2, 0, 16 * GIB), {}, Layout(2, 1, "cpu", 1.0, 0.0, 2)),
        (Machine(8, 0, 64 * GIB), {}, Layout(3, 1, "cpu", 1.0, 0.0, 2)),
        (Machine(8, 0, 2 * GIB), {}, Layout(2, 1, "cpu", 1.0, 0.0, 2)),
        (Machine(1, 0, 0), {}, Layout(1, 1, "cpu", 1.0, 0.0, 2)),
        (Machine(2, 0, 16 * GIB), {"renderers": 3}, Layout(3, 1, "cpu", 0.6666, 0.0, 2)),
        (Machine(8, 0, 64 * GIB), {"renderers": 2, "threads": 4}, Layout(2, 4, "cpu", 4.0, 0.0, 2)),
        (Machine(16, 2, 64 * GIB), {}, Layout(2, 1, "cuda", 0.0, 1.0)),
        (Machine(16, 8, 64 * GIB), {}, Layout(3, 1, "cuda", 0.0, 1.0)),
        (Machine(2, 8, 16 * GIB), {"device": "cpu"}, Layout(2, 1, "cpu", 1.0, 0.0, 2)),
    ],
)
def test_layout_follows_the_machine(machine: Machine, wishes: dict[str, object], expected: Layout) -> None:
    assert choose(machine, 3, **wishes) == expected  # type: ignore[arg-type]


def test_this_machine_has_cores_and_memory() -> None:
    machine = this_machine()
    assert machine.cpus >= 1
    assert machine.memory > 0


def test_next_worker_balances_and_keeps_the_tail_short() -> None:
    assert next_worker([], 5, 2) is None
    assert next_worker([0, 0], 0, 2) is None
    assert next_worker([1, 0], 5, 2) == 1
    assert next_worker([1, 1], 5, 2) == 0
    assert next_worker([2, 2], 5, 2) is None
    assert next_worker([1, 1], 2, 2) is None  # the last tasks go to whoever is idle first
    assert next_worker([1, 0], 1, 2) == 1


def test_retry_policy_gives_up() -> None:
    policy = RetryPolicy(attempts=3, deaths=2)
    assert [policy.try_again(failures) for failures in (1, 2, 3)] == [True, True, False]
    assert [policy.replace(deaths) for deaths in (1, 2, 3)] == [True, True, False]


# Fingerprints


def plan(**wishes: object) -> Plan:
    return toy_model.ToyPlanner(ToyFactory()).plan(toy_model.request(shots=2, **wishes))  # type: ignore[arg-type]


def names(plan: Plan) -> list[str]:
    windows = split(plan.latent_frames, GRID.unit, 8, 4)
    return [window_fingerprint(plan, window, "toy-1", local_backend("cpu")) for window in windows]


def test_fingerprint_is_canonical() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert fingerprint({"a": 1, "b": array}) == fingerprint({"b": array.copy(order="F"), "a": 1})
    assert fingerprint(array) != fingerprint(array.T)
    assert fingerprint(array) != fingerprint(array.astype(np.float64))
    assert fingerprint([1, 2]) != fingerprint([12])
    with pytest.raises(ValueError, match="JSON"):
        fingerprint(float("nan"))


def test_a_window_is_named_by_what_it_sees() -> None:
    before = plan()
    semantic = before.semantic.copy()
    semantic[9] += 1  # latent frames 18 and 19: windows 3 (12 to 20) and 4 (16 to 24)
    text = before.text.copy()
    text[1] += 1  # the second shot begins at latent frame 20: windows 4 to 8
    base = names(before)
    assert len(set(base)) == len(base) == 9

    def changed(after: Plan) -> list[int]:
        return [index for index, (old, new) in enumerate(zip(base, names(after), strict=True)) if old != new]

    replace = dataclasses.replace
    assert changed(replace(before, semantic=semantic)) == [3, 4]
    assert changed(replace(before, text=text)) == [4, 5, 6, 7, 8]
    assert changed(replace(before, request=replace(before.request, width=640, height=320, fps=24))) == []
    for wish in ({"seed": 5}, {"steps": 9}, {"guidance": 1.0}, {"negative_prompt": "blur"}):
        assert changed(replace(before, request=replace(before.request, **wish))) == list(range(9))
    assert plan_from_bytes(plan_to_bytes(before)) is not before
    assert changed(plan_from_bytes(plan_to_bytes(before))) == []


def test_a_renderer_is_shown_no_more_than_the_fingerprint_covers() -> None:
    whole = plan()
    window = split(whole.latent_frames, GRID.unit, 8, 4)[3]
    seen = visible(whole, window)
    np.testing.assert_array_equal(seen.semantic[6:10], whole.semantic[6:10])
    assert not seen.semantic[:6].any()
    assert not seen.semantic[10:].any()
    assert not seen.text[1].any()
    assert seen.text[0].any()
    assert seen.semantic.shape == whole.semantic.shape


# Films


def test_a_film_with_all_its_figures(tmp_path: Path) -> None:
    events: list[Event] = []
    video = film(tmp_path, toy_model.request(shots=2), on_event=events.append)
    assert video.path.stat().st_size > 0
    assert (video.frames, video.seconds, video.fps, video.width, video.height) == (160, 20.0, 8, 64, 32)
    assert (video.windows, video.windows_rendered, video.windows_reused, video.renderers) == (9, 9, 0, 2)
    assert {"load", "plan", "render", "decode", "encode", "join", "total"} <= set(video.wall)
    assert video.report.motion > 0
    assert not list(tmp_path.glob(".sgen*"))

    kinds = [type(event) for event in events]
    assert kinds.count(FilmStarted) == 1
    assert [event for event in events if isinstance(event, WorkerLost)] == []
    assert sorted(event.window for event in events if isinstance(event, WindowFinished)) == list(range(9))
    assert [event.done for event in events if isinstance(event, SegmentEncoded)] == list(range(1, 11))
    for phase in ("load", "plan", "render", "decode", "encode", "join"):
        assert PhaseStarted(phase) in events
        assert len([event for event in events if isinstance(event, PhaseFinished) and event.phase == phase]) == 1


def test_steps_are_told_while_they_happen(tmp_path: Path) -> None:
    events: list[Event] = []
    film(tmp_path, toy_model.request(8), ToyFactory(pause=0.25), on_event=events.append)
    steps = [event for event in events if isinstance(event, PlanStep)]
    assert steps
    assert all(0 < step.done <= step.total == 3 for step in steps)


def test_the_same_bytes_whatever_the_renderers(tmp_path: Path) -> None:
    films = {
        count: film(tmp_path / str(count), engine=dataclasses.replace(LOCAL, renderers=count, in_flight=flight))
        for count, flight in ((1, 1), (2, 2), (3, 5))
    }
    contents = {video.path.read_bytes() for video in films.values()}
    assert len(contents) == 1
    assert len({str(video.report) for video in films.values()}) == 1


@pytest.mark.parametrize("seconds", [1, 1.3, 3.9])
def test_odd_lengths_and_output_rates(tmp_path: Path, seconds: float) -> None:
    video = film(tmp_path, toy_model.request(seconds, fps=24, width=480, height=240))
    assert video.frames == round(seconds * 24)


def test_everything_is_reused_and_only_what_changed_is_made_again(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    factory = ToyFactory(notes)
    first = film(tmp_path, factory=factory)
    again = film(tmp_path, factory=factory)
    assert (again.windows_rendered, again.windows_reused) == (0, 9)
    assert again.path.read_bytes() == first.path.read_bytes()
    assert factory.noted("renderer cpu 1") == 2  # nothing was even loaded

    larger = film(tmp_path, toy_model.request(width=96, height=48), factory)
    assert (larger.windows_rendered, larger.width) == (0, 96)
    assert factory.noted("planned") == 1
    other = film(tmp_path, toy_model.request(steps=5), factory)
    assert other.windows_rendered == 9
    assert factory.noted("planned") == 1
    assert film(tmp_path, toy_model.request(seed=1), factory).windows_rendered == 9
    assert factory.noted("planned") == 2


def test_a_broken_segment_is_made_again_from_stored_windows(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    first = film(tmp_path, factory=ToyFactory(notes))
    content = first.path.read_bytes()
    segment = sorted((tmp_path / "store" / "segment").rglob("*/*"))[4]
    segment.write_bytes(segment.read_bytes()[:-7])
    window = sorted((tmp_path / "store" / "window").rglob("*/*"))[0]
    window.write_bytes(b"")
    events: list[Event] = []
    again = film(tmp_path, factory=ToyFactory(notes), on_event=events.append)
    assert again.path.read_bytes() == content
    (started,) = (event for event in events if isinstance(event, FilmStarted))
    assert started.segments_reused == 9
    assert again.windows_rendered <= 1


def test_a_plan_made_before(tmp_path: Path) -> None:
    events: list[Event] = []
    request = toy_model.request()
    made = make_plan(request, ToyFactory(), store=tmp_path / "plans", engine=LOCAL, on_event=events.append)
    assert PhaseStarted("plan") in events
    direct = film(tmp_path / "direct")
    given = film(tmp_path / "given", plan=plan_from_bytes(plan_to_bytes(made)))
    assert given.path.read_bytes() == direct.path.read_bytes()
    assert preview_plan(made, ToyFactory(), store=tmp_path / "plans", engine=LOCAL).shape == (20, 2, 4, 3)
    foreign = dataclasses.replace(made, model_fingerprint="another")
    with pytest.raises(PlanError, match="another model"):
        film(tmp_path / "foreign", plan=foreign)


# Faults


@pytest.mark.parametrize("window", [0, 4, 8])
def test_a_crash_changes_nothing(tmp_path: Path, window: int) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    factory = ToyFactory(notes, crash_once=window)
    events: list[Event] = []
    video = film(tmp_path / "crashed", factory=factory, on_event=events.append)
    assert video.path.read_bytes() == film(tmp_path / "whole").path.read_bytes()
    (lost,) = (event for event in events if isinstance(event, WorkerLost))
    assert lost.work == f"render {window}"
    assert [factory.noted(f"rendered {index}") for index in range(9)] == [1] * 9
    assert factory.noted("renderer cpu 1") == 3


def test_a_planner_that_dies_is_tried_again(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    video = film(tmp_path / "crashed", factory=ToyFactory(notes, planner_crashes=True))
    assert video.path.read_bytes() == film(tmp_path / "whole").path.read_bytes()


@pytest.mark.parametrize("fault", [{"raises": 4}, {"kills": 4}])
def test_a_poison_window_fails_with_its_cause(tmp_path: Path, fault: dict[str, int]) -> None:
    with pytest.raises(EngineError, match=r"render 4 failed 3 times, the last: .*(poison|killed)") as caught:
        film(tmp_path, factory=ToyFactory(**fault))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "film.mp4").exists()
    # Whatever was finished is kept, and a mended model goes on from there.
    kept = len(stored(tmp_path, "window"))
    assert 0 < kept < 9
    assert film(tmp_path).windows_reused == kept


def test_latents_that_are_not_finite_are_no_film(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="window 2 came out with NaN"):
        film(tmp_path, factory=ToyFactory(nan=2))
    assert not (tmp_path / "film.mp4").exists()


def test_weights_that_do_not_load_surface_at_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="install it again"):
        film(tmp_path, factory=ToyFactory(broken=True))


def test_waiting_for_room_ends(tmp_path: Path) -> None:
    impatient = dataclasses.replace(LOCAL, start_timeout=0.3)
    film(
        tmp_path / "ready", factory=ToyFactory(pause=0.05), engine=impatient
    )  # a planner that is done is not waited for
    with pytest.raises(EngineError, match=r"no renderer became ready within 0.3 s"):
        film(tmp_path / "late", factory=ToyFactory(loading=2), engine=impatient)


def test_an_unwritable_output_costs_no_work(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").mkdir()
    with pytest.raises(OutputError):
        film(tmp_path)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("stop", [Cancelled("enough"), KeyboardInterrupt()])
def test_cancel_keeps_windows_and_resume_renders_none_twice(tmp_path: Path, stop: BaseException) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    factory = ToyFactory(notes, pause=0.01)

    def on_event(event: Event) -> None:
        if isinstance(event, WindowFinished) and event.window >= 3:
            raise stop

    with pytest.raises(type(stop)):
        film(tmp_path, factory=factory, on_event=on_event)
    assert not list(tmp_path.glob("*.mp4"))
    assert not list(tmp_path.glob(".sgen*"))
    kept = len(stored(tmp_path, "window"))
    assert 3 <= kept < 9
    video = film(tmp_path, factory=factory)
    assert video.windows_reused == kept
    assert [factory.noted(f"rendered {index}") for index in range(9)] == [1] * 9
    assert video.path.read_bytes() == film(tmp_path / "whole").path.read_bytes()


def test_bad_engine_settings() -> None:
    with pytest.raises(ValueError, match="renderers must be at least 1"):
        EngineConfig(renderers=0)


def test_the_timeline_has_every_call(tmp_path: Path) -> None:
    video = film(tmp_path / "a", factory=ToyFactory(pause=0.05))
    calls = {phase: sorted(s.index for s in video.timeline if s.phase == phase) for phase in ("render", "encode")}
    assert calls == {"render": list(range(9)), "encode": list(range(10))}
    assert all(0 <= span.start <= span.stop <= video.wall["total"] for span in video.timeline)
    assert {span.worker for span in video.timeline if span.phase == "render"} == {0, 1}
    busy = sum(span.stop - span.start for span in video.timeline if span.phase in ("render", "decode"))
    assert busy == pytest.approx(video.wall["render_busy"] + video.wall["decode_busy"], rel=1e-6)
    assert video.utilisation is not None and 0 < video.utilisation <= 1
    again = film(tmp_path / "a")
    assert again.timeline == () and again.utilisation is None


def test_a_film_leaves_only_what_others_can_use(tmp_path: Path) -> None:
    """One runtime makes thousands of films in a batch."""
    runtime, factory = LocalRuntime(), ToyFactory(raises=8)  # short films have no such window
    try:
        for seed in range(3):
            film(tmp_path / str(seed), toy_model.request(8, seed=seed), factory, runtime=runtime)
        with pytest.raises(EngineError):
            film(tmp_path / "poison", factory=factory, runtime=runtime)
        alive = [worker for worker in runtime._workers if not worker.killed.is_set()]
        assert {type(worker._actor).__name__ for worker in alive} == {"Planner", "Renderer"}
    finally:
        runtime.close()
