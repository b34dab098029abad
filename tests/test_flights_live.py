"""Films that are made at the same time: two that need the same windows, and one beside a collection of rubbish."""

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import toy_model
from toy_model import ToyFactory

from sgen_ray import filling, recorded
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.generate import generate_film
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.collect import collect
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.orders import Order

CUT = {"window": 8, "overlap": 4, "segment": 4}

DRIVER = """
import sys
from pathlib import Path
import toy_model
from sgen_ray import filling, recorded
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import WindowFinished
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.orders import Order

name, namespace = sys.argv[1:]
engine = EngineConfig(renderers=2, device="cpu", window=8, overlap=4, segment=4, namespace=namespace, idle=0.2)
factory = toy_model.ToyFactory(Path("notes").absolute(), pause=0.1, in_process=False)
order, output = Order(toy_model.request(), factory), Path(f"{name}.mp4")
tell = lambda event: print("window", flush=True) if isinstance(event, WindowFinished) else None
with Jobs("sqlite:///store/jobs.db", "store") as jobs:
    job = recorded.record(jobs, order, output, engine=engine, owner=name)
    video = filling.fill(jobs, job, order, output, store="store", engine=engine, on_event=tell)
"""


def driver(folder: Path, name: str) -> "subprocess.Popen[str]":
    import ray

    address = ray.get_runtime_context().gcs_address
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, name, folder.name],
        cwd=folder, env={**os.environ, "RAY_ADDRESS": address}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def truth(folder: Path) -> bytes:
    engine = EngineConfig(in_process=True, renderers=2, **CUT)
    return generate_film(
        toy_model.request(), ToyFactory(), folder / "truth.mp4", store=folder / "truth", engine=engine
    ).path.read_bytes()


@pytest.mark.usefixtures("ray_cluster")
def test_two_films_at_once_make_each_window_once(tmp_path: Path) -> None:
    for folder in ("notes", "store"):
        (tmp_path / folder).mkdir()
    with driver(tmp_path, "one") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "window\n"
        with driver(tmp_path, "two") as second:
            assert [film.wait(240) for film in (first, second)] == [0, 0]
    painted = sorted(path.name.split()[1] for path in (tmp_path / "notes").glob("rendered *"))
    assert painted == [str(index) for index in range(9)]
    expected = truth(tmp_path)
    assert [(tmp_path / f"{name}.mp4").read_bytes() for name in ("one", "two")] == [expected] * 2


def test_a_collection_takes_nothing_from_a_film_that_is_made(tmp_path: Path) -> None:
    """Collections of everything that no job names, however young, one after another all the while."""
    store, output = str(tmp_path / "store"), tmp_path / "film.mp4"
    (tmp_path / "notes").mkdir()
    (tmp_path / "store").mkdir()
    engine = EngineConfig(in_process=True, renderers=2, **CUT)
    order = Order(toy_model.request(), ToyFactory(tmp_path / "notes", pause=0.03))
    artifacts, over, swept = Artifacts(store), threading.Event(), []
    artifacts.put("window", "nobody's", b"old")

    def sweep() -> None:
        with Jobs(f"sqlite:///{store}/jobs.db", store) as jobs:
            while not over.wait(0.05):
                now = datetime.now(UTC) + timedelta(seconds=1)
                swept.append(collect(jobs, store, now, timedelta(0)))

    with Jobs(f"sqlite:///{store}/jobs.db", store) as jobs:
        job = recorded.record(jobs, order, output, engine=engine, owner="film")
        sweeper = threading.Thread(target=sweep)
        sweeper.start()
        try:
            video = filling.fill(jobs, job, order, output, store=store, engine=engine)
        finally:
            over.set()
            sweeper.join()
    assert video is not None and video.windows_rendered == 9
    assert output.read_bytes() == truth(tmp_path)
    assert len(swept) > 1 and any(item.fingerprint == "nobody's" for done in swept for item in done.removed)
    assert [order.factory.noted(f"rendered {index}") for index in range(9)] == [1] * 9  # type: ignore[attr-defined]
