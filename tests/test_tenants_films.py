"""Films of tenants: none waits for, or gets, what another renders, unless both use the common store."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_model
from toy_model import ToyFactory

from sgen_ray import filling
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import Event, FilmStarted, WindowFinished
from sgen_ray.jobs.database import database_url
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.orders import Order
from sgen_ray.types import Video

ENGINE = EngineConfig(in_process=True, renderers=1, window=8, overlap=4, segment=4)
WINDOWS = 9


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    store = str(tmp_path / "store")
    with Jobs(database_url(store), store) as opened:
        yield opened


def film(jobs: Jobs, tenant: str, folder: Path, seen: list[EngineConfig] | None = None, **options: object) -> Video:
    request = toy_model.request()
    job = jobs.submit(request, tenant=tenant, owner="a test")
    order = Order(request, ToyFactory())
    output = folder / f"{job.id}.mp4"
    video = filling.fill(jobs, job, order, output, store=jobs.store_of(tenant), engine=ENGINE, **options)  # type: ignore[arg-type]
    assert video is not None
    return video


def test_nobody_waits_for_another_tenants_window(jobs: Jobs, tmp_path: Path) -> None:
    rendering, go_on = threading.Event(), threading.Event()
    made: list[Video] = []

    def wait(event: Event) -> None:
        if isinstance(event, WindowFinished):
            rendering.set()
            go_on.wait(120)

    first = threading.Thread(target=lambda: made.append(film(jobs, "a", tmp_path, on_event=wait)))
    first.start()
    try:
        assert rendering.wait(60)
        second = threading.Thread(target=lambda: made.append(film(jobs, "b", tmp_path)))
        second.start()
        second.join(60)
        assert [video.windows_rendered for video in made] == [WINDOWS]  # while "a" still holds its own
    finally:
        go_on.set()
        first.join()
    assert [video.windows_rendered for video in made] == [WINDOWS, WINDOWS]
    assert made[0].path.read_bytes() == made[1].path.read_bytes()


def test_who_uses_the_common_store_gets_what_others_made_there(jobs: Jobs, tmp_path: Path) -> None:
    jobs.set_tenant("a", common=True)
    rendered = [film(jobs, tenant, tmp_path).windows_rendered for tenant in ("local", "b", "a", "b")]
    assert rendered == [WINDOWS, WINDOWS, 0, 0]
    assert {path.name for path in (tmp_path / "store" / "tenants").iterdir()} == {"b"}


def test_the_engine_is_told_whose_film_it_is(jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[EngineConfig] = []
    make = filling.generate_film

    def generate_film(*arguments: object, engine: EngineConfig, **options: object) -> Video:
        seen.append(engine)
        return make(*arguments, engine=engine, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(filling, "generate_film", generate_film)
    jobs.set_tenant("a", share=2.5)
    started: list[Event] = []
    for tenant in ("a", "local"):
        film(jobs, tenant, tmp_path, on_event=started.append)
    assert [(engine.tenant, engine.share) for engine in seen] == [("a", 2.5), ("local", 1.0)]
    assert sum(isinstance(event, FilmStarted) for event in started) == 2
