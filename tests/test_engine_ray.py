"""The engine on Ray: what only real processes can show. Everything else is in test_engine_local."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import toy_model
from toy_model import ToyFactory

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import Event, FilmStarted, SegmentEncoded, WindowFinished, WindowStep, WorkerLost
from sgen_ray.engine.generate import generate_film
from sgen_ray.engine.messages import JobSpec, Need, Wish
from sgen_ray.engine.studio import lay_out_workers, opened, pool_spec
from sgen_ray.errors import Cancelled, EngineError, ModelError
from sgen_ray.types import Video


def engine(**wishes: object) -> EngineConfig:
    """A pool of the test's own, which ends soon after its film."""
    own = {"namespace": uuid.uuid4().hex, "idle": 0.2}
    values = {"renderers": 2, "device": "cpu", "window": 8, "overlap": 4, "segment": 4, **own, **wishes}
    return EngineConfig(**values)  # type: ignore[arg-type]


def film(
    folder: Path, factory: ToyFactory | None = None, settings: EngineConfig | None = None, **more: object
) -> Video:
    """20 seconds: 40 latent frames, 9 windows, 10 segments."""
    folder.mkdir(exist_ok=True)
    return generate_film(
        toy_model.request(),
        factory or ToyFactory(in_process=False),
        folder / "film.mp4",
        store=folder / "store",
        engine=settings or engine(),
        **more,  # type: ignore[arg-type]
    )


def truth(folder: Path) -> bytes:
    return film(folder / "truth", ToyFactory(), engine(in_process=True)).path.read_bytes()


def processes(kind: str) -> list[psutil.Process]:
    """Of Ray workers that this process or its cluster runs."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if " ".join(process.cmdline()).startswith(f"ray::{kind}"):
                found.append(process)
        except psutil.Error:
            continue
    return found


def gone(kind: str, within: float = 30) -> bool:
    until = time.monotonic() + within
    while processes(kind) and time.monotonic() < until:
        time.sleep(0.05)
    return not processes(kind)


def notes(folder: Path) -> Path:
    (folder / "notes").mkdir()
    return folder / "notes"


def killing(kind: str, after: Callable[[Event], bool], events: list[Event]) -> Callable[[Event], None]:
    """SIGKILL for one worker, once, when an event has come."""
    killed: list[int] = []

    def on_event(event: Event) -> None:
        events.append(event)
        if not killed and after(event):
            victim = processes(kind)[0]
            killed.append(victim.pid)
            victim.send_signal(signal.SIGKILL)

    return on_event


@pytest.mark.usefixtures("ray_cluster")
def test_the_same_bytes_with_one_two_and_three_renderers(tmp_path: Path) -> None:
    expected = truth(tmp_path)
    for count in (1, 2, 3):
        video = film(tmp_path / str(count), settings=engine(renderers=count))
        assert (video.renderers, video.windows_rendered) == (count, 9)
        assert video.path.read_bytes() == expected
    assert gone("Renderer")
    assert gone("Stitcher")
    assert gone("Planner")


@pytest.mark.usefixtures("ray_cluster")
def test_a_renderer_a_gpu_where_there_are_some(tmp_path: Path) -> None:
    factory = ToyFactory(notes(tmp_path), pause=0.2, in_process=False)
    events: list[Event] = []
    settings = EngineConfig(window=8, overlap=4, segment=4, idle=0.2, namespace="gpus")
    video = film(tmp_path, factory, settings, on_event=events.append)
    (started,) = (event for event in events if isinstance(event, FilmStarted))
    assert (started.device, started.renderers) == ("cuda", 2)
    assert factory.noted("renderer cuda 1") == 2  # the planner made room for the second one
    assert video.windows_rendered == 9


@pytest.mark.usefixtures("ray_cluster")
def test_sigkill_of_a_renderer_changes_nothing(tmp_path: Path) -> None:
    factory = ToyFactory(notes(tmp_path), pause=0.05, in_process=False)
    events: list[Event] = []
    on_event = killing("Renderer", lambda event: isinstance(event, WindowFinished), events)
    video = film(tmp_path / "crashed", factory, on_event=on_event)
    assert video.path.read_bytes() == truth(tmp_path)
    assert [event.worker[:8] for event in events if isinstance(event, WorkerLost)] == ["renderer"]
    # A window may have been stored just when its renderer died; no other was rendered twice.
    assert 9 <= factory.noted("rendered *") <= 10
    assert any(isinstance(event, WindowStep) for event in events)


@pytest.mark.usefixtures("ray_cluster")
def test_sigkill_of_the_stitcher_changes_nothing(tmp_path: Path) -> None:
    factory = ToyFactory(notes(tmp_path), pause=0.2, in_process=False)
    events: list[Event] = []
    on_event = killing("Stitcher", lambda event: isinstance(event, SegmentEncoded) and event.done == 2, events)
    video = film(tmp_path / "crashed", factory, on_event=on_event)
    assert video.path.read_bytes() == truth(tmp_path)
    assert [event.worker for event in events if isinstance(event, WorkerLost)] == ["stitcher 0"]
    assert factory.noted("rendered *") == 9


@pytest.mark.usefixtures("ray_cluster")
def test_a_window_that_kills_its_renderers(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="render 4 failed 3 times, the last: .*killed") as caught:
        film(tmp_path, ToyFactory(kills=4, in_process=False))
    assert "\n" not in str(caught.value)
    assert gone("Renderer")


@pytest.mark.usefixtures("ray_cluster")
def test_who_leaves_does_not_join_again_by_a_message_under_way() -> None:
    settings = engine()
    with opened(settings) as runtime:
        spec = pool_spec(ToyFactory(in_process=False), lay_out_workers(runtime.machine, 9, settings), settings)
        link = runtime.link(spec)
        last, *others = (JobSpec(uuid.uuid4().hex) for _ in range(100))
        wish = Wish({"renderer": Need(0, 0)})
        link.sync(last, wish)
        for job in others:
            link.sync(job, wish)
            link.leave(job.id, frozenset())
        assert processes("Controller")
        link.leave(last.id, frozenset())
        assert gone("Controller", spec.lease / 2)  # with the last job, not when a lease has run out


@pytest.mark.usefixtures("ray_cluster")
def test_weights_that_do_not_load_surface_once(tmp_path: Path) -> None:
    events: list[Event] = []
    with pytest.raises(ModelError, match="install it again") as caught:
        film(tmp_path, ToyFactory(broken=True, in_process=False), on_event=events.append)
    assert "\n" not in str(caught.value)
    assert not any(isinstance(event, WorkerLost) for event in events)
    assert not (tmp_path / "film.mp4").exists()


@pytest.mark.usefixtures("ray_cluster")
def test_cancel_keeps_windows_and_resume_renders_none_twice(tmp_path: Path) -> None:
    factory = ToyFactory(notes(tmp_path), pause=0.1, in_process=False)

    def stop(event: Event) -> None:
        if isinstance(event, WindowFinished) and event.window >= 3:
            stopped.append(time.monotonic())
            raise Cancelled("enough")

    stopped: list[float] = []
    with pytest.raises(Cancelled, match="enough"):
        film(tmp_path / "film", factory, on_event=stop)
    assert time.monotonic() - stopped[0] < 6
    assert gone("Renderer")
    assert [path.name for path in (tmp_path / "film").iterdir()] == ["store"]
    assert not list((tmp_path / "film" / "store" / ".unfinished").iterdir())
    kept = len(list((tmp_path / "film" / "store" / "window").iterdir()))
    assert 3 <= kept < 9

    video = film(tmp_path / "film", factory)
    assert (video.windows_reused, video.windows_rendered) == (kept, 9 - kept)
    assert factory.noted("rendered *") == 9
    assert video.path.read_bytes() == truth(tmp_path)


def test_an_address_without_a_cluster_is_one_line_and_no_wait(tmp_path: Path) -> None:
    driver = subprocess.run(
        [sys.executable, "-c", DRIVER],
        cwd=tmp_path,
        env={**os.environ, "RAY_ADDRESS": "127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert driver.stderr.splitlines()[-1].startswith("sgen_ray.errors.EngineError: no Ray cluster at 127.0.0.1:1")


DRIVER = """
from pathlib import Path
import toy_model
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import WindowFinished
from sgen_ray.engine.generate import generate_film

settings = EngineConfig(renderers=2, device="cpu", window=8, overlap=4, segment=4)
tell = lambda event: print("window", flush=True) if isinstance(event, WindowFinished) else None
factory = toy_model.ToyFactory(pause=0.3, in_process=False)
generate_film(toy_model.request(), factory, Path("film.mp4"), store="store", engine=settings, on_event=tell)
"""


def test_ctrl_c_leaves_no_process_and_no_half_file(tmp_path: Path) -> None:
    """A cluster of its own, from another folder; every process of the group gets the signal, as at a terminal."""
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert driver.stdout is not None
    assert driver.stdout.readline() == "window\n"
    family = psutil.Process(driver.pid).children(recursive=True)
    assert any("Renderer" in " ".join(process.cmdline()) for process in family)
    os.killpg(driver.pid, signal.SIGINT)
    _, complaint = driver.communicate(timeout=60)
    assert complaint.rstrip().endswith("KeyboardInterrupt")
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert list((tmp_path / "store" / "window").iterdir())
    assert not list((tmp_path / "store" / ".unfinished").iterdir())


TROUBLE = """
import logging, threading
from sgen_ray.engine.cluster import connected

heard = threading.Event()

class Hear(logging.Handler):
    def emit(self, record):
        if "the machine is on fire" in record.getMessage():
            heard.set()

logging.getLogger("sgen_ray").addHandler(Hear())
logging.getLogger("sgen_ray").setLevel("INFO")
with connected():
    import ray
    worker = ray._private.worker.global_worker
    # Told again and again: whether Ray listens already is not known.
    for _ in range(100):
        ray._private.utils.push_error_to_driver(worker, "trouble", "the machine is on fire")
        if heard.wait(0.3):
            break
assert heard.is_set()
print("{}")
"""


def test_what_ray_has_to_say_is_logged_and_not_among_our_facts() -> None:
    done = subprocess.run([sys.executable, "-c", TROUBLE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "{}\n"
