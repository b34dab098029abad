"""The service on real Ray Serve: its processes are killed, and its films are made all the same."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from micro import micro_model
from service import ended

from sgen_ray.errors import RequestError
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.states import JobState
from sgen_ray.serving import deployment
from sgen_ray.serving.settings import Settings

FILM = {"prompt": "a red car", "seconds": 2, "size": "64x32", "steps": 2, "plan_steps": 2}


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("service")
    model = micro_model(folder)
    return Settings(store=str(folder / "store"), model=str(model), device="cpu", films=1, renderers=1)


@pytest.fixture(scope="module")
def client(chosen: Settings, ray_cluster: None) -> Iterator[httpx.Client]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        deployment.deployed(chosen, "127.0.0.1", port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        yield client


def until(true: Callable[[], bool], within: float = 60) -> bool:
    end = time.monotonic() + within
    while not true() and time.monotonic() < end:
        time.sleep(0.2)
    return true()


def test_a_film_and_its_files(client: httpx.Client, chosen: Settings) -> None:
    assert until(lambda: client.get("/readyz").status_code == 200)
    video = client.post("/v1/videos", data={name: str(value) for name, value in FILM.items()}).json()
    video = ended(client, video["id"])
    assert video["status"] == "completed", video["error"]
    assert client.get(f"/v1/videos/{video['id']}/content").content[4:8] == b"ftyp"
    assert client.get("/v1/models").json()["data"][0]["id"] == Path(chosen.model).name


def test_the_end_of_the_service_hands_films_back(client: httpx.Client, chosen: Settings) -> None:
    """The last test: it takes the application away."""
    from ray import serve

    video = client.post("/v1/videos", json=FILM | {"seconds": 300, "steps": 100}).json()
    ended(client, video["id"], "rendering")
    serve.delete(deployment.NAME)
    with Jobs(chosen.url, chosen.store) as jobs:
        assert jobs.get(video["id"]).state is JobState.QUEUED
        assert jobs.get(video["id"]).lease is None


def test_a_setting_that_there_is_not() -> None:
    with pytest.raises(RequestError, match="the service's setting wings: .* there are store, database, model"):
        deployment.app({"wings": 2})


def test_the_local_config_is_one() -> None:
    from ray.serve.schema import ServeDeploySchema

    text = (Path(__file__).parents[1] / "deployments" / "local.yaml").read_text()
    config = yaml.safe_load(text)
    (application,) = ServeDeploySchema.model_validate(config).applications
    assert application.import_path == "sgen_ray.serving.deployment:app"
    Settings(**application.args)
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
