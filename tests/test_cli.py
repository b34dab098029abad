import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from toy_model import ToyFactory

from sgen_ray import orders
from sgen_ray.cli.main import main
from sgen_ray.errors import ModelError
from sgen_ray.media.probe import probe, read_frames

KEYS = """path job seconds frames fps size seed model windows renderers windows_rendered windows_reused seam_ratio
overlap_sharpness drift motion wall utilisation timeline""".split()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, a store outside it, and the toy model under its name."""

    def load(name: str) -> ToyFactory:
        if name != "toy":
            raise ModelError(f"unknown model {name!r}: give toy")
        return ToyFactory()

    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SGEN_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(orders, "load_factory", load)
    return folder


def test_help_and_version_load_neither_torch_nor_ray():
    code = "import sys, sgen_ray.cli.main as m; m.main(['--help']); print({'torch', 'ray', 'av'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1] == "set()"
    assert all(command in told for command in ("generate", "plan", "render", "info", "world"))


def test_every_command_explains_itself_with_an_example(capsys):
    for command in ("generate", "plan", "render", "edit", "extend", "info", "world"):
        assert main([command, "--help"]) == 0
        assert f"sgen {command} " in capsys.readouterr().out


@pytest.mark.usefixtures("ray_cluster")
def test_generate_makes_a_film_and_one_json_object_and_nothing_twice(here, capsys):
    command = ["generate", "shot 0", "--model", "toy", "--seconds", "20", "--fps", "12", "-o", "out/film.mp4", "--json"]
    assert main([*command, "--sheet", "sheet.png", "--timeline", "times.png", "--live", "live"]) == 0
    told = capsys.readouterr()
    facts = json.loads(told.out)
    assert list(facts) == KEYS
    assert (facts["frames"], facts["fps"], facts["size"], facts["seconds"]) == (240, 12, "480x240", 20.0)
    assert facts["windows_rendered"] == facts["windows"] > 1
    assert "render: window" in told.err
    rendered = [span for span in facts["timeline"] if span["phase"] == "render"]
    assert sorted(span["index"] for span in rendered) == list(range(facts["windows"]))
    assert 0 < facts["utilisation"] <= 1
    film = probe(here / "out/film.mp4")
    assert (film.frames, film.seconds, film.width, film.provenance["seed"]) == (240, 20.0, 480, 0)
    assert film.provenance["prompt"] == "shot 0"
    live = [f"film{segment:05d}.m4s" for segment in range(5)]
    assert sorted(path.name for path in (here / "live").iterdir()) == ["film.m3u8", *live, "init.mp4"]
    assert np.array_equal(read_frames(here / "live/film.m3u8"), read_frames(here / "out/film.mp4"))
    assert sorted(path.name for path in here.iterdir()) == ["live", "out", "sheet.png", "times.png"]

    first = (here / "out/film.mp4").read_bytes()
    assert main([*command, "--quiet"]) == 0
    told = capsys.readouterr()
    assert (json.loads(told.out)["windows_rendered"], told.err) == (0, "")
    assert (here / "out/film.mp4").read_bytes() == first


@pytest.mark.usefixtures("ray_cluster")
def test_plan_then_look_then_render(here, capsys):
    story = "- prompt: shot 0\n  seconds: 12\n- prompt: shot 1\n  seconds: 8\n"
    (here / "story.yaml").write_text(story)
    assert main("plan --shots story.yaml --model toy --seed 5 --preview plan.png --json".split()) == 0
    planned = json.loads(capsys.readouterr().out)
    assert (planned["seconds"], len(planned["shots"]), planned["seed"]) == (20.0, 2, 5)
    assert (here / "plan.png").stat().st_size > 100

    assert main("info plan.arrow --json".split()) == 0
    assert json.loads(capsys.readouterr().out)["shots"] == planned["shots"]

    assert main("render plan.arrow -o film.mp4 --size 64x32 --renderers 1".split()) == 0
    assert re.search(r"film.mp4: 20 s, 64x32 at 8 frames a second\ntook .* with 1 renderer\n", capsys.readouterr().out)
    assert main("info film.mp4 --json".split()) == 0
    film = json.loads(capsys.readouterr().out)
    assert (film["kind"], film["seed"], film["seconds"], film["model"]) == ("film", 5, 20.0, "toy")
    assert main("info film.mp4".split()) == 0
    assert re.search(r"^negative.prompt|^size +64x32$", capsys.readouterr().out, re.MULTILINE)


def test_world_draws_a_clip(here, capsys):
    command = "world a_dog --seconds 2 --size 64x32 --fps 5 -o dog.mp4 --sheet dog.png --json".split()
    command[1] = "a dog and a zyzzyva in the snow"
    assert main(command) == 0
    told = capsys.readouterr()
    facts = json.loads(told.out)
    assert (facts["frames"], facts["shots"][0]["subject"], facts["shots"][0]["place"]) == (10, "dog", "snow")
    assert told.err.startswith("warning: the demo world does not know 'zyzzyva'")
    assert probe(here / "dog.mp4").seconds == 2
    assert sorted(path.name for path in here.iterdir()) == ["dog.mp4", "dog.png"]


BAD = [
    (["generate"], "the prompt is empty"),
    (["generate", " "], "the prompt is empty"),
    (["generate", "x" * 2001], "shorten it to 2000"),
    (["generate", "a", "--seconds", "0"], "from 1 to 1200"),
    (["generate", "a", "--seconds", "nan"], "from 1 to 1200"),
    (["generate", "a", "--seconds", "long"], "'--seconds'"),
    (["generate", "a", "--size", "33x32"], "use 34x32"),
    (["generate", "a", "--size", "big"], "like 512x256"),
    (["generate", "a", "--fps", "0"], "from 1 to 60"),
    (["generate", "a", "--steps", "0"], "from 1 to 100"),
    (["generate", "a", "--renderers", "0"], "'--renderers'"),
    (["generate", "a", "--colour", "red"], "--colour"),
    (["generate", "--shots", "none.yaml"], "none.yaml does not exist"),
    (["generate", "--shots", "bad.yaml"], "bad.yaml, line 2: unknown key 'secs'"),
    (["generate", "--shots", "story.yaml", "--seconds", "30"], "the shots last 3 s"),
    (["generate", "a", "--model", "gpt"], "unknown model 'gpt'"),
    (["generate", "a", "-o", "film.avi"], ".mp4"),
    (["generate", "a", "-o", "folder.mp4"], "is a folder"),
    (["generate", "a", "-o", "bad.yaml/film.mp4"], "cannot write in bad.yaml"),
    (["generate", "a", "-o", "/proc/film.mp4"], "cannot write in /proc"),
    (["generate", "a", "--sheet", "sheet.jpg"], ".png"),
    (["generate", "a", "--store", "bad.yaml"], "bad.yaml"),
    (["plan", "a", "-o", "plan.mp4"], ".arrow"),
    (["plan", "a", "--preview", "plan.jpg"], ".png"),
    (["render", "none.arrow"], "none.arrow"),
    (["render", "bad.yaml"], "bad.yaml"),
    (["render"], "PLAN"),
    (["edit", "none.mp4", "b"], "none.mp4"),
    (["edit", "bad.yaml", "b"], "bad.yaml"),
    (["edit", "clip.mp4", "b"], "give its plan.arrow"),
    (["extend", "none.arrow"], "none.arrow"),
    (["info", "none.mp4"], "does not exist"),
    (["info", "bad.yaml"], "bad.yaml"),
    (["info", "nonesuch"], "unknown model 'nonesuch'"),
    (["world", ""], "the prompt is empty"),
    (["world", "a dog", "--seconds", "99"], "from 1 to 60"),
    (["sing"], "sing"),
]


@pytest.mark.usefixtures("ray_cluster")
def test_a_film_is_edited_and_extended(here, capsys):
    (here / "story.yaml").write_text("- prompt: shot 0\n  seconds: 20\n- prompt: shot 1\n  seconds: 20\n")
    assert main("generate --shots story.yaml --model toy -o film.mp4 --json".split()) == 0
    windows = json.loads(capsys.readouterr().out)["windows"]
    assert main("edit film.mp4 --shot 2 storm -o new.mp4 --plan new.arrow --json".split()) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["windows"] == windows and 0 < facts["windows_rendered"] < windows
    assert probe(here / "new.mp4").provenance["prompt"] == "shot 0 | storm"
    assert main("extend new.mp4 calm --seconds 8 -o longer.mp4 --json".split()) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["seconds"] == 48 and facts["windows_reused"] > 0
    assert main("extend new.arrow --seconds 8 -o other.mp4 --json".split()) == 0
    assert json.loads(capsys.readouterr().out)["seconds"] == 48
    assert probe(here / "other.mp4").provenance["prompt"] == "shot 0 | storm"

    assert main("edit new.mp4 --shot 3 rain".split()) == 2
    assert "there is no shot 3: the film has shots 1 to 2" in capsys.readouterr().err
    assert main("extend new.mp4 --seconds 1170".split()) == 2
    assert "shorten them to 1200 s" in capsys.readouterr().err
    assert main(["edit", "new.mp4", "rain", "--store", str(here / "empty")]) == 2
    assert "name its store with --store" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "message"), BAD, ids=lambda value: " ".join(value)[:40] if value[1:] else None)
def test_bad_input_is_one_line_exit_code_2_and_nothing_written(here, capsys, command, message):
    (here / "folder.mp4").mkdir()
    (here / "bad.yaml").write_text("- prompt: a\n  secs: 3\n")
    (here / "story.yaml").write_text("- prompt: a\n  seconds: 3\n")
    if "clip.mp4" in command:  # made by something else
        with av.open(str(here / "clip.mp4"), "w") as film:
            stream = film.add_stream("mpeg4", rate=8, width=64, height=32)
            film.mux(stream.encode(av.VideoFrame(64, 32)))
            film.mux(stream.encode())
    before = sorted(here.rglob("*"))
    toy = ["--model", "toy"] if command[0] in ("generate", "plan") and "--model" not in command else []
    assert main([*command, *toy]) == 2
    told = capsys.readouterr()
    assert re.fullmatch(r"error: [^\n]+\n", told.err)
    assert message in told.err
    assert told.out == ""
    assert sorted(here.rglob("*")) == before


def test_no_space_is_said_before_any_work(here, capsys, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1 << 20))
    assert main("generate a --model toy".split()) == 2
    assert "MiB free" in capsys.readouterr().err


def test_unknown_words_are_named_before_the_work(here, capsys, monkeypatch):
    monkeypatch.setattr(ToyFactory, "unknown_words", lambda self, text: ("giraffe",))
    assert main("plan giraffe --model toy --quiet".split()) == 0
    assert capsys.readouterr().err == "warning: the demo model has never seen 'giraffe'; it knows: shot\n"


def test_a_fault_of_ours_is_one_line_and_a_log(here, capsys, monkeypatch):
    def fault(name: str) -> ToyFactory:
        raise ZeroDivisionError("oh\nno")

    monkeypatch.setattr(orders, "load_factory", fault)
    assert main(["generate", "a"]) == 1
    told = re.fullmatch(
        r"error: unexpected ZeroDivisionError: oh no; details are in (\S+) .*\n", capsys.readouterr().err
    )
    assert told is not None
    log = Path(told[1])
    assert "Traceback" in log.read_text()
    log.unlink()


SGEN = """
import functools, sys
sys.path.insert(0, {tests!r})
from toy_model import ToyFactory
from sgen_ray import orders
from sgen_ray.cli.main import main
from sgen_ray.engine import config
orders.load_factory = lambda name: ToyFactory(pause={pause})
config.EngineConfig = functools.partial(config.EngineConfig, in_process=True)
sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_leaves_no_half_file_and_says_how_to_go_on(here):
    def sgen(pause: float) -> subprocess.Popen[str]:
        code = SGEN.format(tests=str(Path(__file__).parent), pause=pause)
        command = [sys.executable, "-c", code, "generate", "a", "--seconds", "30", "--json", "-o", "film.mp4"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    with sgen(pause=0.25) as film:
        assert film.stderr is not None
        for line in film.stderr:
            if line.startswith("render: window"):
                break
        film.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = film.communicate(timeout=120)
    assert time.monotonic() - began < 30
    assert (film.returncode, out) == (130, "")
    assert err.splitlines()[-1].startswith("stopped; finished windows are kept")
    assert "Traceback" not in err
    assert list(here.iterdir()) == []

    with sgen(pause=0.0) as film:
        out, _ = film.communicate(timeout=120)
    assert json.loads(out)["windows_reused"] >= 1


def test_no_arguments_show_the_help(capsys):
    assert main([]) == 2
    told = capsys.readouterr()
    assert ("generate" in told.out, told.err) == (True, "")
