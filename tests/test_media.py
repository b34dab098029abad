import io
import re
import resource
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sgen_ray.cli.sheet import write_spritesheet, write_thumbnail
from sgen_ray.errors import EngineError, OutputError, SgenError
from sgen_ray.media.concat import concat, provenance
from sgen_ray.media.encode import Encoding, encode
from sgen_ray.media.live import LivePlaylist, fragment
from sgen_ray.media.probe import iter_frames, probe, read_frames
from sgen_ray.media.sheets import contact_sheet, filmstrip, save_png, save_webp, sprite_index, spritesheet
from sgen_ray.shapes import Grid
from sgen_ray.types import Shot, VideoRequest

GRID = Grid(
    width=128, height=64, fps=8, latent_channels=3, semantic_channels=4, semantic_height=4, semantic_width=8
)  # fmt: skip


def numbered(frames: int) -> np.ndarray:
    """Frames whose grey level tells their number, [T, 24, 32, 3]."""
    return np.broadcast_to((np.arange(frames, dtype=np.uint8) * 4)[:, None, None, None], (frames, 24, 32, 3))


def numbers(frames: np.ndarray) -> list[int]:
    return [round(float(level) / 4) for level in frames.mean(axis=(1, 2, 3))]


def segments(frames: np.ndarray, encoding: Encoding, length: int = 16) -> list[bytes]:
    return [encode(frames[start : start + length], start, encoding) for start in range(0, len(frames), length)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """53 numbered frames at 8 a second in segments of 16, shown at 24 a second, 64x48."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    assert concat(segments(numbered(53), Encoding(64, 48, 24, 8)), path, 24, {"title": "numbers"}) == 159
    return path


@given(st.integers(1, 60), st.integers(1, 60), st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_segments_share_out_every_output_frame(native_fps: int, fps: int, lengths: list[int]) -> None:
    encoding = Encoding(2, 2, fps, native_fps)
    borders = np.cumsum([0, *lengths]).tolist()
    runs = [encoding.output_frames(*border) for border in pairwise(borders)]
    assert [frame for run in runs for frame in run] == list(encoding.output_frames(0, borders[-1]))
    for (start, stop), run in zip(pairwise(borders), runs, strict=True):
        assert all(start <= frame * native_fps // fps < stop for frame in run)


def test_the_joined_film_is_exact_in_every_frame_and_time(film: Path) -> None:
    found = probe(film)
    assert (found.frames, found.fps, found.seconds) == (159, 24, 159 / 24)
    assert (found.width, found.height, found.codec, found.pixel_format) == (64, 48, "h264", "yuv420p")
    assert numbers(read_frames(film)) == [frame // 3 for frame in range(159)]
    with av.open(str(film)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        times = [(Fraction(packet.pts) * packet.time_base, packet.dts == packet.pts) for packet in packets]
        assert times == [(Fraction(frame, 24), True) for frame in range(159)]
        keys = {frame for frame, packet in enumerate(packets) if packet.is_keyframe}
        assert {0, 48, 96, 144} <= keys
        assert container.streams.video[0].average_rate == 24


@pytest.mark.parametrize(("fps", "native_fps"), [(8, 8), (30, 8), (7, 16), (60, 24), (1, 8)])
def test_any_rate_keeps_time(tmp_path: Path, fps: int, native_fps: int) -> None:
    path = tmp_path / "film.mp4"
    concat(segments(numbered(48), Encoding(32, 24, fps, native_fps)), path, fps)
    found = probe(path)
    assert found.frames == -(-48 * fps // native_fps)
    assert found.fps == fps
    assert numbers(read_frames(path)) == [frame * native_fps // fps for frame in range(found.frames)]


def test_the_index_comes_before_the_pictures(film: Path) -> None:
    data = film.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_the_same_frames_give_the_same_bytes(film: Path, tmp_path: Path) -> None:
    parts = segments(numbered(53), Encoding(64, 48, 24, 8))
    again = tmp_path / "again.mp4"
    concat(parts, again, 24, {"title": "numbers"})
    assert again.read_bytes() == film.read_bytes()
    # A segment's bytes say nothing of where it is.
    assert encode(numbered(16), 160, Encoding(64, 48, 24, 8)) == parts[0]


def test_colours_survive_as_bt709(tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40), (128, 128, 128)]
    frame = np.repeat(np.uint8(colours)[None], 16, axis=0).repeat(16, axis=1)
    path = tmp_path / "colours.mp4"
    concat([encode(frame[None], 0, Encoding(448, 64, 8, 8))], path, 8)
    shown = read_frames(path)[0]
    for place, colour in enumerate(colours):
        np.testing.assert_allclose(shown[32, 64 * place + 32], colour, atol=3)
    with av.open(str(path)) as container:
        decoded = next(container.decode(video=0))
        assert (decoded.colorspace, decoded.color_range, decoded.color_primaries, decoded.color_trc) == (1, 1, 1, 1)


@pytest.mark.parametrize(("arguments", "words"), [
    ((63, 48, 24, 8), "even and positive, not 63x48"),
    ((64, 0, 24, 8), "64x0"),
    ((64, 48, 0, 8), "frames a second"),
])  # fmt: skip
def test_impossible_encodings_are_refused(arguments: tuple[int, int, int, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Encoding(*arguments)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        encode(np.zeros((2, 8, 8, 3), np.float32), 0, Encoding(64, 48, 24, 8))


def test_a_failing_ffmpeg_is_quoted() -> None:
    with pytest.raises(EngineError, match=r"could not encode 20000x2 H\.264: \S") as failure:
        encode(numbered(1), 0, Encoding(20_000, 2, 8, 8))
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("content", [None, "#!/bin/sh\ncat > /dev/null\necho one >&2\necho the reason >&2\nexit 3\n"])
def test_another_ffmpeg_that_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    binary = tmp_path / "ffmpeg"
    if content:
        binary.write_text(content)
        binary.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(binary))
    with pytest.raises(EngineError, match=": the reason" if content else "does not start"):
        encode(numbered(8), 0, Encoding(64, 48, 8, 8))


HOSTILE = "a 'quoted' \"prompt\"; $(touch /tmp/x) %d \\ = # [title]\n-vf évil ü 🚀 \x00 \ud800 end"


def test_metadata_carries_any_text(tmp_path: Path) -> None:
    request = VideoRequest((Shot(HOSTILE, 2.5), Shot("rain", 1)), 512, 256, 24, seed=7, model="nano")
    path = tmp_path / "film.mp4"
    concat(segments(numbered(8), Encoding(64, 48, 8, 8)), path, 8, provenance(request, GRID, "abc123", "0.1", "def456"))
    found = probe(path)
    assert found.provenance["shots"] == [{"prompt": HOSTILE, "seconds": 2.5}, {"prompt": "rain", "seconds": 1}]
    assert found.provenance["seed"] == 7
    assert found.provenance["model"] == "nano"
    assert found.provenance["fingerprint"] == "abc123"
    assert found.provenance["version"] == "0.1"
    assert found.provenance["plan"] == "def456"
    assert found.provenance["native"] == "128x64@8, resized and repeated to 512x256@24"
    assert found.metadata["title"].startswith("a 'quoted' \"prompt\"; $(touch /tmp/x) %d \\ = # [title] -vf évil ü 🚀")
    assert found.metadata["title"].endswith("end | rain")


def test_a_playlist_grows_in_the_films_order(tmp_path: Path) -> None:
    frames = numbered(32)
    parts = [encode(frames[start : start + 8], start, Encoding(64, 48, 8, 8)) for start in range(0, 32, 8)]
    playlist, path = (
        LivePlaylist(tmp_path / "live", 8, 30, lambda segment: parts[segment]),
        tmp_path / "live/film.m3u8",
    )

    def listed() -> list[str]:
        return re.findall(r"film\d+\.m4s", path.read_text()) if path.exists() else []

    names = [f"film{segment:05d}.m4s" for segment in range(4)]
    playlist.ready(1)
    assert listed() == []
    playlist.ready(0)
    assert listed() == names[:2] and "EVENT" in path.read_text() and "ENDLIST" not in path.read_text()
    playlist.ready(2)
    assert listed() == names[:3]
    playlist.ready(3)
    playlist.close()
    assert listed() == names and "ENDLIST" in path.read_text()
    assert re.findall(r"EXTINF:([\d.]+)", path.read_text()) == ["1.000000", "1.000000", "1.000000", "0.750000"]
    whole = tmp_path / "film.mp4"
    concat(parts, whole, 8, most=30)
    assert np.array_equal(read_frames(path), read_frames(whole))


def test_a_fragment_is_made_from_its_segment_alone() -> None:
    frames, encoding = numbered(24), Encoding(64, 48, 8, 8)
    parts = [encode(frames[start : start + 8], start, encoding) for start in range(0, 24, 8)]
    made = [fragment(part, number, 8 * number, 8, 22) for number, part in enumerate(parts)]
    assert [part.frames for part in made] == [8, 8, 6]
    assert len({part.header for part in made}) == 1
    with av.open(io.BytesIO(made[2].header + made[1].media + made[2].media)) as film:
        times = [float(frame.time or 0) for frame in film.decode(video=0)]
    assert times == [frame / 8 for frame in range(8, 22)]
    with pytest.raises(EngineError):
        fragment(b"rubbish" * 100, 0, 0, 8, 22)
    with pytest.raises(EngineError):
        fragment(b"", 0, 0, 8, 22)


def test_a_playlist_of_a_film_that_never_came_is_quietly_nothing(tmp_path: Path) -> None:
    LivePlaylist(tmp_path / "live", 8, 30, lambda segment: b"").close()


def test_foreign_metadata_is_no_provenance(tmp_path: Path) -> None:
    for comment in ("hello", "[1]", ""):
        path = tmp_path / "film.mp4"
        concat(segments(numbered(2), Encoding(32, 24, 8, 8)), path, 8, {"comment": comment})
        assert probe(path).provenance == {}


@pytest.mark.parametrize("name", ["pipe:1", "%d film.mp4", "-y.mp4", "fil'm \".mp4", "concat:a|b.mp4"])
def test_odd_names_are_only_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    concat(segments(numbered(2), Encoding(32, 24, 8, 8)), Path(name), 8)
    assert probe(Path(name)).frames == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_film_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"the film before")
    part = encode(numbered(8), 0, Encoding(64, 48, 8, 8))

    def interrupted() -> object:
        yield part
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        concat(interrupted(), path, 8)
    with pytest.raises(EngineError, match="segment 1 is no H"):
        concat([part, b"rubbish" * 100], path, 8)
    with pytest.raises(EngineError, match="segment 0 is no H"):
        concat([b"x"], path, 8)
    with pytest.raises(EngineError, match="segment 1 was encoded with other settings"):
        concat([part, encode(numbered(8), 8, Encoding(32, 24, 8, 8))], path, 8)
    with pytest.raises(EngineError, match="no segment"):
        concat([b""], path, 8)
    assert path.read_bytes() == b"the film before"
    assert list(tmp_path.iterdir()) == [path]


def test_no_folder_and_no_permission(tmp_path: Path) -> None:
    part = encode(numbered(2), 0, Encoding(32, 24, 8, 8))
    with pytest.raises(OutputError, match=r"no folder .*/nowhere; create it"):
        concat([part], tmp_path / "nowhere" / "film.mp4", 8)
    with pytest.raises(OutputError, match="is a folder"):
        concat([part], tmp_path, 8)
    # Even root cannot make a file there.
    with pytest.raises(OutputError, match="cannot write /proc/film"):
        concat([part], Path("/proc/film.mp4"), 8)


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the kernel refuses the same writes."""
    part = tmp_path / "part.h264"
    noise = np.random.default_rng(0).integers(0, 256, (16, 64, 96, 3), np.uint8)
    part.write_bytes(encode(noise, 0, Encoding(192, 128, 8, 8)))
    script = (
        "import sys; from pathlib import Path; from sgen_ray.media.concat import concat\n"
        "part = Path(sys.argv[1]).read_bytes()\n"
        "try: concat([part] * 4, Path(sys.argv[2]), 8)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    whole = 4 * part.stat().st_size
    for limit in (10, whole // 2, whole - 5000):
        run = subprocess.run(
            [sys.executable, "-c", script, str(part), str(tmp_path / "film.mp4")],
            capture_output=True,
            text=True,
            timeout=60,
            preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        assert run.stdout.startswith(f"OutputError cannot write {tmp_path}/film.mp4: "), run
        assert run.stdout.count("\n") == 1
        assert list(tmp_path.iterdir()) == [part]


def test_frames_by_index_and_stride(film: Path) -> None:
    assert numbers(read_frames(film, [30, 0, 30, 158])) == [10, 0, 10, 52]
    assert numbers(read_frames(film, stride=48)) == [0, 16, 32, 48]
    assert sum(1 for _ in iter_frames(film)) == 159
    with pytest.raises(SgenError, match="no frame 159"):
        read_frames(film, [0, 159])
    with pytest.raises(ValueError, match="stride"):
        read_frames(film, stride=0)


def test_damaged_films_are_named(film: Path, tmp_path: Path) -> None:
    data = film.read_bytes()
    broken = tmp_path / "broken.mp4"
    for content, words in [
        (b"", "damaged"),
        (b"hello" * 50, "damaged"),
        (data[: len(data) // 8], "damaged"),
        (data[:-200], "cut short: 1.. of 159 frames"),
    ]:
        broken.write_bytes(content)
        with pytest.raises(SgenError, match=words) as failure:
            probe(broken)
        assert str(broken) in str(failure.value)
    with pytest.raises(SgenError, match="no such file"):
        probe(tmp_path / "missing.mp4")
    with pytest.raises(SgenError, match="no such file"):
        read_frames(tmp_path / "missing.mp4")


def test_contact_sheet_shows_frames_times_and_words(tmp_path: Path) -> None:
    frames = np.zeros((7, 24, 32, 3), np.uint8)
    frames[..., 0] = np.arange(7)[:, None, None] * 40
    bare = contact_sheet(frames, [0.5 * index for index in range(7)], columns=3, cell_width=96)
    full = contact_sheet(frames, range(7), ["a word " * 40] * 7, "a title", columns=3, cell_width=96)
    assert bare.width == full.width == 3 * (96 + 8) + 8
    assert full.height > bare.height
    for index in range(7):
        row, column = divmod(index, 3)
        centre = bare.getpixel((8 + column * 104 + 48, 8 + row * (72 + 19 + 8) + 36))
        assert centre == (index * 40, 0, 0)
    save_png(full, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.size == full.size
    with pytest.raises(ValueError, match="one time and one caption"):
        contact_sheet(frames, [0.0])
    with pytest.raises(OutputError, match="no folder"):
        save_png(full, tmp_path / "nowhere" / "sheet.png")


def test_filmstrip_gives_every_shot_its_rows() -> None:
    thumbnails = np.zeros((7, 16, 32, 3), np.uint8)
    thumbnails[..., 1] = np.arange(7)[:, None, None] * 40
    strip = filmstrip(thumbnails, ["rain falls", "the sea"], [0, 5], 1.0, columns=4, cell_width=64)
    rows = [8, 48, 48 + 40 + 27]
    for index, (row, column) in enumerate([(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (2, 0), (2, 1)]):
        assert strip.getpixel((8 + column * 72 + 32, rows[row] + 16)) == (0, index * 40, 0)
    # A shot shorter than a thumbnail has its words alone.
    assert filmstrip(thumbnails, ["a", "b", "c"], [0, 3, 3], 1.0).height > 0
    for starts in ([1, 5], [0], [0, 5, 3]):
        with pytest.raises(ValueError, match="storyboard"):
            filmstrip(thumbnails, ["a", "b", "c"][: max(2, len(starts))], starts, 1.0)


def test_words_in_any_script_and_length_fit() -> None:
    frames = np.zeros((1, 8, 8, 3), np.uint8)
    for words in ("", "x" * 500, "漢字 " * 50, "a\nb\tc", "🚀"):
        assert contact_sheet(frames, [0], [words], words, cell_width=40).width == 56


def test_webp_plays_in_time(tmp_path: Path) -> None:
    path = tmp_path / "film.webp"
    save_webp(numbered(60)[::5], 7, path, width=64)
    with Image.open(path) as image:
        assert (image.n_frames, image.size, image.info["loop"]) == (12, (64, 48), 0)
        total = 0
        for frame in range(12):
            image.seek(frame)
            image.load()
            total += image.info["duration"]
    assert total == round(12 / 7 * 1000)
    with pytest.raises(ValueError, match="at least one frame"):
        save_webp(numbered(0), 8, path)


def test_spritesheet_and_its_index_agree(tmp_path: Path) -> None:
    frames = np.zeros((7, 24, 32, 3), np.uint8)
    frames[..., 0] = np.arange(7)[:, None, None] * 30
    sheet = spritesheet(frames, columns=3, cell_width=16)
    assert sheet.size == (3 * 16, 3 * 12)
    index = sprite_index("film.png", sheet.size, 7, 3661.0, columns=3, cell_width=16)
    assert index.startswith("WEBVTT\n\n00:00:00.000 --> 00:08:43.000\nfilm.png#xywh=0,0,16,12\n\n00:08:43.000 --> ")
    assert index.endswith("--> 01:01:01.000\nfilm.png#xywh=0,24,16,12\n")
    boxes = [[int(number) for number in found.split(",")] for found in re.findall(r"xywh=([\d,]+)", index)]
    for number, (left, top, width, height) in enumerate(boxes):
        assert sheet.crop((left, top, left + width, top + height)).getcolors() == [(16 * 12, (30 * number, 0, 0))]
    with pytest.raises(ValueError, match="at least one"):
        spritesheet(frames[:0])


def test_thumbnail_and_spritesheet_of_a_film(film: Path, tmp_path: Path) -> None:
    write_thumbnail(film, tmp_path / "one.png")
    write_spritesheet(film, tmp_path / "many.png")
    facts = probe(film)
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "many.png") as many:
        assert one.size == (facts.width, facts.height)
        assert np.array_equal(np.asarray(one), read_frames(film, [facts.frames // 3])[0])
        cells = (tmp_path / "many.vtt").read_text().count("many.png#xywh=")
        assert cells == round(facts.seconds)
        assert many.width == 160 * min(10, cells)
    with pytest.raises(OutputError, match="no folder"):
        write_spritesheet(film, tmp_path / "nowhere" / "many.png")
