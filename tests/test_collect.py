"""`sgen gc`: what a kept job names stays, everything else that is old goes."""

import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgen_ray.cli.gc import parse_age
from sgen_ray.errors import JobError, LeaseLost, RequestError
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.collect import PICTURES, collect, needed, picture_name
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.manifest import Manifest, manifest_from_bytes
from sgen_ray.jobs.records import References
from sgen_ray.jobs.states import JobState
from sgen_ray.jobs.stores import store_of
from sgen_ray.types import Shot, VideoRequest

REQUEST = VideoRequest((Shot("a red car", 4),), 480, 240, 8)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AGE = timedelta(days=30)
NOTHING = References(frozenset(), frozenset())
PARTS = st.lists(st.sampled_from("abcdef"), max_size=4, unique=True)
ENDS = st.sampled_from(["running", "failed long ago", "failed today", "unlisted"])


def written(store: Path, kind: str, name: str, age: timedelta) -> None:
    artifacts = Artifacts(store)
    artifacts.put(kind, name, f"{kind} {name}".encode())
    (path,) = (store / kind / name).iterdir()
    os.utime(path, ((NOW - age).timestamp(),) * 2)


def listed(store: Path, manifest: Manifest, age: timedelta) -> None:
    Artifacts(store).put("film", manifest.name, manifest.to_bytes())
    (path,) = (store / "film" / manifest.name).iterdir()
    os.utime(path, ((NOW - age).timestamp(),) * 2)


def stored(store: Path) -> set[tuple[str, str]]:
    return {(item.kind, item.fingerprint) for item in Artifacts(store).everything()}


@settings(max_examples=15, deadline=None)
@given(films=st.lists(st.tuples(PARTS, PARTS, ENDS), max_size=4), young=PARTS)
def test_what_a_kept_job_needs_stays_and_the_rest_goes(films, young) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, clock = Path(folder), [NOW]
        for name in "abcdef":
            for kind in ("window", "segment", "stats", "plan", "held"):
                written(store, kind, name, timedelta(hours=1) if name in young else AGE * 2)
        kept: set[tuple[str, str]] = {(k, n) for n in young for k in ("window", "segment", "stats", "plan", "held")}
        with Jobs(f"sqlite:///{folder}/jobs.db", folder, clock=lambda: clock[0]) as jobs:
            for windows, segments, end in films:
                manifest = Manifest("a", tuple(windows), tuple(segments))
                clock[0] = NOW - (AGE * 2 if end == "failed long ago" else timedelta(seconds=9))
                job = jobs.submit(REQUEST, owner="worker", held="b", plan="c")
                assert job.lease is not None
                if end != "unlisted":  # its film is named when it is known
                    listed(store, manifest, AGE * 2)
                    jobs.advance(job.lease, JobState.RENDERING, film=manifest.name)
                if "failed" in end:
                    jobs.fail(job.lease, "test", "as a test wanted")
                if end == "failed long ago":
                    continue
                kept |= {("held", "b"), ("plan", "c")}
                if end != "unlisted":
                    kept |= {("film", manifest.name), ("plan", "a")} | {("window", name) for name in windows}
                    kept |= {(kind, name) for name in segments for kind in ("segment", "stats")}
            clock[0] = NOW
            before = stored(store)
            told = collect(jobs, str(store), NOW, AGE, dry_run=True)
            assert stored(store) == before and len(jobs.list().jobs) == len(films)
            done = collect(jobs, str(store), NOW, AGE)
            assert (told.jobs, told.kinds()) == (done.jobs, done.kinds())
            assert stored(store) == before & kept == kept
            named = needed(jobs.references().get("local", NOTHING), Artifacts(store))
            assert {item for item in named if item[0] not in ("video", "picture", "preview")} <= kept
            assert not jobs.collecting()


@pytest.mark.parametrize("tenant", ["local", "studio", "Ünï/../c ode"])
def test_each_tenant_keeps_what_its_own_jobs_name(tmp_path: Path, tenant: str) -> None:
    manifest = Manifest("a", ("w",), ("s",))
    named = {("video", manifest.name), ("window", "w"), ("plan", "a")}
    named |= {
        ("preview", "a"),
        ("picture", picture_name(manifest.name, "thumbnail")),
        ("picture", picture_name("a", "filmstrip")),
    }
    stores = {name: Path(store_of(str(tmp_path), name)) for name in ("local", tenant, "others")}
    for store in stores.values():
        for kind, name in (*named, ("video", "old"), ("picture", "old.thumbnail")):
            written(store, kind, name, AGE * 2)
        listed(store, manifest, AGE * 2)
    with Jobs(f"sqlite:///{tmp_path}/jobs.db", str(tmp_path), clock=lambda: NOW) as jobs:
        job = jobs.submit(REQUEST, tenant=tenant, owner="worker")
        assert job.lease is not None
        jobs.advance(job.lease, JobState.RENDERING, film=manifest.name)
        done = collect(jobs, str(tmp_path), NOW, AGE)
    kept = {("film", manifest.name)} | named
    assert {name: stored(store) for name, store in stores.items()} == {
        name: kept if name == tenant else set() for name in stores
    }
    assert done.kinds()["video"][0] == 2 * len(stores) - 1


def test_tenants_do_not_meet(tmp_path: Path) -> None:
    names = ["studio", "Studio", "a/b", "a", "..", "", ".", "x" * 200, "tenants", "local "]
    places = {store_of(str(tmp_path), name) for name in names}
    assert len(places) == len(names)
    assert {Path(place).resolve().parent for place in places} == {tmp_path / "tenants"}
    assert store_of("s3://films/a?region=x&scheme=http", "b") == "s3://films/a/tenants/b?region=x&scheme=http"
    assert store_of("s3://films/a/", "local") == "s3://films/a/"
    with pytest.raises(AssertionError):
        picture_name("a", "../b")
    assert "thumbnail" in PICTURES


def test_leftovers_go_and_what_is_just_being_written_stays(tmp_path: Path) -> None:
    unfinished = tmp_path / ".unfinished"
    unfinished.mkdir()
    for name, age in (("old", timedelta(hours=2)), ("new", timedelta(minutes=5))):
        (unfinished / name).write_bytes(b"half")
        os.utime(unfinished / name, ((NOW - age).timestamp(),) * 2)
    with Jobs(f"sqlite:///{tmp_path}/jobs.db", str(tmp_path), clock=lambda: NOW) as jobs:
        done = collect(jobs, str(tmp_path), NOW, AGE)
    assert done.kinds() == {".unfinished": (1, 4)}
    assert [path.name for path in unfinished.iterdir()] == ["new"]


def test_two_do_not_collect_at_once_and_a_dead_one_is_forgotten(database: str, tmp_path: Path) -> None:
    now = [NOW]
    with Jobs(database, "s3://bucket", clock=lambda: now[0]) as jobs:
        assert jobs.begin_collection(timedelta(seconds=60)) and jobs.collecting()
        with pytest.raises(JobError, match="another collection is under way"):
            collect(jobs, str(tmp_path), NOW, AGE)
        assert jobs.extend_collection(timedelta(seconds=60))
        now[0] += timedelta(seconds=61)
        assert not jobs.collecting() and not jobs.extend_collection(timedelta(seconds=60))
        collect(jobs, str(tmp_path), now[0], AGE)
        assert not jobs.collecting()


def test_one_window_is_made_by_one_job_at_a_time(database: str) -> None:
    now = [NOW]

    def clock() -> datetime:
        now[0] += timedelta(microseconds=1)
        return now[0]

    with Jobs(database, "s3://bucket", clock=clock) as jobs:
        first, second = (jobs.submit(REQUEST, owner="worker").lease for _ in range(2))
        assert first is not None and second is not None
        assert jobs.take_off(first, ["window:a", "window:b"]) == {"window:a", "window:b"}
        assert jobs.take_off(first, ["window:a"]) == {"window:a"}
        assert jobs.take_off(second, ["window:b", "window:c"]) == {"window:c"}
        jobs.land(first)
        assert jobs.take_off(second, ["window:a"]) == {"window:a"}
        now[0] += timedelta(minutes=2)  # nobody has renewed: both are taken to be dead
        third = jobs.submit(REQUEST, owner="worker").lease
        assert third is not None
        assert jobs.take_off(third, ["window:a", "window:b", "window:c"]) == {"window:a", "window:b", "window:c"}


def test_nothing_is_taken_off_for_a_job_that_is_deleted_or_over(database: str) -> None:
    with Jobs(database, "s3://bucket") as jobs:
        deleted, cancelled = (jobs.submit(REQUEST, owner="worker").lease for _ in range(2))
        assert deleted is not None and cancelled is not None
        jobs.delete(deleted.job, at_work=True)
        with pytest.raises(LeaseLost, match="is deleted"):
            jobs.take_off(deleted, ["window:a"])
        jobs.confirm_cancel(cancelled)
        with pytest.raises(LeaseLost, match="is cancelled"):
            jobs.take_off(cancelled, ["window:a"])


def test_a_list_of_parts_comes_back() -> None:
    manifest = Manifest("p", ("a", "b"), ("c",))
    assert manifest_from_bytes(manifest.to_bytes()) == manifest


def test_ages() -> None:
    assert (parse_age("12h"), parse_age("4w"), parse_age("0d")) == (timedelta(hours=12), timedelta(28), timedelta())
    with pytest.raises(RequestError, match="write it like 12h"):
        parse_age("a month")
