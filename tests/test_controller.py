"""The pool that drivers of one cluster share, on real Ray: whoever dies, the others go on, with the same bytes."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import toy_model
from toy_model import ToyFactory

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.controller import PREFIX
from sgen_ray.engine.events import Event, WindowFinished, WorkerLost
from sgen_ray.engine.generate import generate_film
from sgen_ray.types import Video

CUT = {"window": 8, "overlap": 4, "segment": 4}


@pytest.fixture
def namespace(ray_cluster: None) -> Iterator[str]:
    """Of the test's own; its pools are ended afterwards. Those that other tests left would keep the GPUs while idle."""
    import ray

    for pool in pools():
        ray.kill(pool)
    name = uuid.uuid4().hex
    yield name
    for pool in pools(name):
        ray.kill(pool)


def pools(namespace: str | None = None) -> list[Any]:
    """Those of a namespace, or all."""
    import ray

    found = []
    for item in ray.util.list_named_actors(all_namespaces=True):
        if namespace in (None, item["namespace"]) and item["name"].startswith(PREFIX):
            try:
                found.append(ray.get_actor(item["name"], namespace=item["namespace"]))
            except ValueError:
                continue
    return found


def film(folder: Path, factory: ToyFactory, engine: EngineConfig, seed: int = 0, **more: Any) -> Video:
    """20 seconds: 9 windows, 10 segments."""
    folder.mkdir(exist_ok=True)
    output = folder / "film.mp4"
    return generate_film(
        toy_model.request(seed=seed), factory, output, store=folder / "store", engine=engine, **more
    )  # fmt: skip


def truth(folder: Path, seed: int = 0) -> bytes:
    return film(folder, ToyFactory(), EngineConfig(in_process=True, renderers=2, **CUT), seed).path.read_bytes()


def until(true: Callable[[], bool], within: float = 60) -> bool:
    end = time.monotonic() + within
    while not true() and time.monotonic() < end:
        time.sleep(0.1)
    return true()


def notes(folder: Path) -> Path:
    (folder / "notes").mkdir()
    return folder / "notes"


DRIVER = """
import os, sys
from pathlib import Path
import toy_model
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import WindowFinished
from sgen_ray.engine.generate import generate_film

settings = EngineConfig(window=8, overlap=4, segment=4, namespace=sys.argv[1], lease=float(sys.argv[2]))
factory = toy_model.ToyFactory(Path("notes").absolute(), pause=float(sys.argv[3]), in_process=False)
tell = lambda event: print("window", flush=True) if isinstance(event, WindowFinished) else None
generate_film(toy_model.request(seed=1), factory, Path("other/film.mp4"), store="other", engine=settings, on_event=tell)
"""


def driver(folder: Path, namespace: str, lease: float, pause: float) -> "subprocess.Popen[str]":
    """Another process with a film of its own, on the same cluster."""
    import ray

    (folder / "other").mkdir()
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, namespace, str(lease), str(pause)],
        cwd=folder,
        env={**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_drivers_share_two_gpus_and_both_finish(tmp_path: Path, namespace: str) -> None:
    """The second film finds the workers of the first warm, and then gets its share of them."""
    factory = ToyFactory(notes(tmp_path), pause=0.1, in_process=False)
    engine = EngineConfig(namespace=namespace, **CUT)
    with driver(tmp_path, namespace, 30, 0.1) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "window\n"  # it holds both GPUs, or soon will
        ours = film(tmp_path / "ours", factory, engine)
        other.communicate(timeout=120)
    assert other.returncode == 0
    assert ours.path.read_bytes() == truth(tmp_path / "a")
    assert (tmp_path / "other" / "film.mp4").read_bytes() == truth(tmp_path / "b", seed=1)
    assert factory.noted("rendered *") == 18
    assert len(pools(namespace)) == 1
    # Films that follow start nothing.
    started = factory.noted("renderer *")
    film(tmp_path / "third", factory, EngineConfig(namespace=namespace, renderers=1, **CUT), seed=1)
    assert factory.noted("renderer *") == started


def test_a_driver_that_dies_leaves_its_renderers_to_others(tmp_path: Path, namespace: str) -> None:
    factory = ToyFactory(notes(tmp_path), pause=0.1, in_process=False)
    with driver(tmp_path, namespace, 2, 0.1) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "window\n"
        other.send_signal(signal.SIGKILL)
        other.wait(60)
    ours = film(tmp_path / "ours", factory, EngineConfig(namespace=namespace, lease=2, **CUT))
    assert ours.path.read_bytes() == truth(tmp_path / "a")


def test_sigkill_of_the_controller_changes_nothing(tmp_path: Path, namespace: str) -> None:
    import ray

    factory = ToyFactory(notes(tmp_path), pause=0.1, in_process=False)
    events: list[Event] = []
    killed: list[int] = []

    def on_event(event: Event) -> None:
        events.append(event)
        if isinstance(event, WindowFinished) and not killed:
            (pool,) = pools(namespace)
            killed.append(ray.get(pool.pid.remote()))
            os.kill(killed[0], signal.SIGKILL)

    engine = EngineConfig(namespace=namespace, renderers=2, device="cpu", **CUT)
    video = film(tmp_path / "film", factory, engine, on_event=on_event)
    assert video.path.read_bytes() == truth(tmp_path / "a")
    assert any(isinstance(event, WorkerLost) and event.worker == "pool" for event in events)
    # Both renderers went with it; a window that was just stored may have been made again.
    assert 9 <= factory.noted("rendered *") <= 11
    (pool,) = pools(namespace)
    assert ray.get(pool.pid.remote()) != killed[0]


def test_a_new_version_drains_the_old(tmp_path: Path, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    factory = ToyFactory(notes(tmp_path), in_process=False)
    engine = EngineConfig(namespace=namespace, **CUT)
    film(tmp_path / "old", factory, engine)
    (old,) = pools(namespace)
    assert ray.get(old.ready.remote()) == 2  # warm, on both GPUs
    monkeypatch.setattr("sgen_ray.engine.studio.__version__", "new")
    video = film(tmp_path / "new", factory, engine)
    assert video.windows_rendered == 9
    assert factory.noted("renderer cuda 1") >= 3
    assert until(lambda: len(pools(namespace)) == 1)
    (new,) = pools(namespace)
    assert new._actor_id != old._actor_id


def test_pools_of_other_namespaces_make_room(tmp_path: Path, namespace: str) -> None:
    """The first keeps both GPUs for five minutes, but for who needs them."""
    import ray

    factory = ToyFactory(notes(tmp_path), in_process=False)
    film(tmp_path / "first", factory, EngineConfig(namespace=namespace, **CUT))
    (first,) = pools(namespace)
    assert ray.get(first.ready.remote()) == 2
    other = f"{namespace} too"
    try:
        video = film(tmp_path / "second", factory, EngineConfig(namespace=other, start_timeout=120, **CUT), seed=1)
    finally:
        for pool in pools(other):
            ray.kill(pool)
    assert video.windows_rendered == 9
    assert ray.get(first.ready.remote()) == 0
