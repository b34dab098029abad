import hashlib
import pickle
import resource
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from sgen_ray.errors import OutputError
from sgen_ray.jobs.arrays import arrays_from_bytes, arrays_to_bytes
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.collect import collect
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.manifest import Manifest
from sgen_ray.jobs.states import JobState
from sgen_ray.jobs.stores import store_of
from sgen_ray.types import Shot, VideoRequest


def only_file(folder: Path) -> Path:
    (found,) = (path for path in folder.rglob("*") if path.is_file())
    return found


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A real S3 endpoint on this machine: the URI of a new bucket, with a gap for a prefix."""
    boto3 = pytest.importorskip("boto3")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in keys.items():
            patch.setenv(name, value)
        server.start()
        try:
            host, port = server.get_host_and_port()
            client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
            client.create_bucket(Bucket="films")
            client.close()
            yield f"s3://films/{{}}?endpoint_override={host}:{port}&scheme=http&region=us-east-1"
        finally:
            server.stop()


@pytest.fixture(params=["folder", "file URI", "s3"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    if request.param == "s3":
        return Artifacts(request.getfixturevalue("s3").format(tmp_path.name))
    return Artifacts(f"file://{tmp_path}/store" if request.param == "file URI" else tmp_path / "store")


def overwrite(artifacts: Artifacts, data: bytes) -> None:
    """Of the only artifact there is, as a bad disk would."""
    (stored,) = artifacts.everything()
    with artifacts._fs.open_output_stream(stored.path) as stream:
        stream.write(data)


def test_what_was_put_is_got(artifacts: Artifacts) -> None:
    assert artifacts.get("window", "abc") is None
    assert not artifacts.exists("window", "abc")
    artifacts.put("window", "abc", b"latents")
    artifacts.put("window", "abc", b"latents")
    artifacts.put("segment", "abc", b"")
    elsewhere = pickle.loads(pickle.dumps(artifacts))
    assert elsewhere.get("window", "abc") == b"latents"
    assert elsewhere.get("segment", "abc") == b""
    assert artifacts.exists("window", "abc")
    assert artifacts.get("window", "abcd") is None


def test_stored_bytes_are_the_file_itself(tmp_path: Path) -> None:
    Artifacts(tmp_path).put("segment", "abc", b"pictures")
    assert only_file(tmp_path).read_bytes() == b"pictures"


@pytest.mark.parametrize("damage", [b"latent", b"", b"Xatents"])
def test_broken_artifact_is_missing_and_removed(artifacts: Artifacts, damage: bytes) -> None:
    artifacts.put("window", "abc", b"latents")
    overwrite(artifacts, damage)
    assert not artifacts.exists("window", "abc")
    assert list(artifacts.everything()) == []
    artifacts.put("window", "abc", b"latents")
    assert artifacts.get("window", "abc") == b"latents"


def test_a_file_is_stored_and_read_here_and_there(artifacts: Artifacts, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(bytes(range(256)) * 5000)  # more than a piece
    artifacts.put_file("video", "abc", film)
    assert artifacts.get("video", "abc") == film.read_bytes()
    assert artifacts.listed("video", "abc") and not artifacts.listed("video", "abcd")
    assert artifacts.open("video", "abcd") is None
    with artifacts.open("video", "abc") as reading:  # type: ignore[union-attr]
        assert (reading.size, reading.digest) == (256 * 5000, hashlib.sha256(film.read_bytes()).hexdigest())
        assert b"".join(reading.read(300, 305)) == bytes(range(44, 49))
        pieces = list(reading.read(1, 256 * 5000))
        assert len(pieces) > 1 and b"".join(pieces) == film.read_bytes()[1:]
        assert b"".join(reading.read(256 * 5000 - 2, 10**9)) == b"\xfe\xff"
    (stored,) = artifacts.everything()
    artifacts.remove(stored)
    assert artifacts.open("video", "abc") is None
    with pytest.raises(OutputError):
        artifacts.put_file("video", "abc", tmp_path / "none.mp4")


def test_a_broken_file_is_not_opened(artifacts: Artifacts) -> None:
    artifacts.put("video", "abc", b"pictures")
    overwrite(artifacts, b"picture")
    assert artifacts.open("video", "abc") is None and not artifacts.listed("video", "abc")


def test_stores_of_tenants_are_found(artifacts: Artifacts) -> None:
    assert artifacts.tenants() == ()
    theirs = [Artifacts(store_of(artifacts.uri, tenant)) for tenant in ("a", "b")]
    for store in theirs:
        store.put("plan", "p", b"plan")
    assert artifacts.tenants() == tuple(store.uri for store in theirs)
    assert list(artifacts.everything()) == [] and theirs[0].get("plan", "p") == b"plan"


def test_what_is_stored_is_listed_and_removed(artifacts: Artifacts) -> None:
    began = datetime.now(UTC) - timedelta(seconds=5)
    artifacts.put("window", "abc", b"latents")
    artifacts.put("plan", "def", b"plan")
    found = sorted(artifacts.everything(), key=lambda stored: stored.kind)
    assert [(stored.kind, stored.fingerprint, stored.size) for stored in found] == [
        ("plan", "def", 4),
        ("window", "abc", 7),
    ]
    assert all(stored.modified >= began for stored in found)
    artifacts.remove(found[0])
    artifacts.remove(found[0])
    assert artifacts.get("plan", "def") is None and artifacts.get("window", "abc") == b"latents"
    artifacts.put("plan", "def", b"plan")
    assert artifacts.exists("plan", "def")


def test_a_relative_store_is_the_same_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    artifacts = Artifacts("store")
    monkeypatch.chdir("/")
    artifacts.put("window", "abc", b"latents")
    assert only_file(tmp_path / "store").read_bytes() == b"latents"


def test_store_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    with pytest.raises(OutputError, match="--store") as caught:
        Artifacts(blocked).put("window", "abc", b"latents")
    assert "\n" not in str(caught.value)
    with pytest.raises(OutputError, match="--store"):
        Artifacts("gopher://nowhere")


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # the real thing, as far as a process can feel it
    try:
        with pytest.raises(OutputError, match="--store"):
            artifacts.put("window", "abc", b"latents" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not artifacts.exists("window", "abc")


def test_arrays_come_back_exactly_and_in_the_same_bytes() -> None:
    arrays = {"b": np.arange(6, dtype=np.float32).reshape(2, 3).T, "a": np.zeros(0), "c": np.array([3], np.int64)}
    data = arrays_to_bytes(arrays, "a note")
    assert all(arrays_to_bytes(dict(reversed(arrays.items())), "a note") == data for _ in range(5))
    back = arrays_from_bytes(data)
    assert set(back) == set(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def test_gc_on_s3(s3: str, tmp_path: Path) -> None:
    """Whatever no job names goes, of its list of parts all stays, and a dry run touches nothing."""
    store = s3.format(tmp_path.name)
    artifacts, parts = Artifacts(store), Manifest("plan", ("kept",), ("segment",))
    kept = {("plan", "plan"), ("window", "kept"), ("segment", "segment"), ("stats", "segment"), ("film", parts.name)}
    for kind, name in kept | {("window", "lost"), ("plan", "lost"), ("stats", "lost")}:
        artifacts.put(kind, name, parts.to_bytes() if kind == "film" else name.encode())
    later = datetime.now(UTC) + timedelta(minutes=1)
    with Jobs(f"sqlite:///{tmp_path}/jobs.db", store) as jobs:
        job = jobs.submit(VideoRequest((Shot("a red car", 4),), 480, 240, 8), owner="worker")
        assert job.lease is not None
        jobs.advance(job.lease, JobState.RENDERING, film=parts.name)
        told = collect(jobs, artifacts.uri, later, timedelta(0), dry_run=True)
        assert told.kinds() == {"window": (1, 4), "plan": (1, 4), "stats": (1, 4)}
        assert artifacts.exists("window", "lost")
        assert collect(jobs, artifacts.uri, later, timedelta(0)).kinds() == told.kinds()
    assert {(item.kind, item.fingerprint) for item in Artifacts(store).everything()} == kept
