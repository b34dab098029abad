import pickle
import resource
from pathlib import Path

import numpy as np
import pytest

from sgen_ray.errors import OutputError
from sgen_ray.jobs.arrays import arrays_from_bytes, arrays_to_bytes
from sgen_ray.jobs.artifacts import Artifacts


def only_file(folder: Path) -> Path:
    (found,) = (path for path in folder.rglob("*") if path.is_file())
    return found


@pytest.mark.parametrize("uri", ["{}/store", "file://{}/store"])
def test_what_was_put_is_got(tmp_path: Path, uri: str) -> None:
    artifacts = Artifacts(uri.format(tmp_path))
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


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: b"X" + data[1:]])
def test_broken_artifact_is_missing_and_removed(tmp_path: Path, damage) -> None:
    artifacts = Artifacts(tmp_path)
    artifacts.put("window", "abc", b"latents")
    path = only_file(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert not artifacts.exists("window", "abc")
    assert not path.exists()
    artifacts.put("window", "abc", b"latents")
    assert artifacts.get("window", "abc") == b"latents"


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
