"""The board of what passes by, as an actor that whoever reads makes, and that may die."""

import sys
import time
from types import ModuleType

import pytest

from sgen_ray.client.schema import Event
from sgen_ray.engine.news import NAME, News
from sgen_ray.engine.ray_calls import on_ray

NAMESPACE = "test-news"


def steps(number: int) -> Event:
    return Event(type="steps", at=number, data={"plan": None, "windows": [], "eta": None})


def heard(reader: News, writer: News, number: int) -> bool:
    """Tells, until it is heard."""
    for _ in range(600):
        writer.tell("job", steps(number))
        if reader.newest(["job", "other"]) == {"job": steps(number)}:
            return True
        time.sleep(0.1)
    return False


def there() -> bool:
    import ray

    try:
        return bool(ray.get_actor(NAME, namespace=NAMESPACE))
    except ValueError:
        return False


@pytest.mark.usefixtures("ray_cluster")
def test_a_board_is_there_where_somebody_reads_and_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr("sgen_ray.engine.news.LOOK_EVERY", 0.0)
    reader, writer = News(NAMESPACE), News(NAMESPACE)
    writer.tell("job", steps(0))
    with pytest.raises(ValueError, match="Failed to look up actor"):
        ray.get_actor(NAME, namespace=NAMESPACE)
    try:
        assert reader.newest(["job"]) == {}
        assert heard(reader, writer, 1)
        ray.kill(ray.get_actor(NAME, namespace=NAMESPACE))
        while there():  # one that is being killed may still answer, and would be taken for the one made again
            time.sleep(0.05)
        assert heard(reader, writer, 2)
        writer.tell("job", None)
        while reader.newest(["job"]):
            time.sleep(0.05)
        assert News("another").newest([]) == {}
    finally:
        ray.kill(ray.get_actor(NAME, namespace=NAMESPACE))


def test_a_ray_that_another_thread_is_still_importing_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    assert not on_ray()
