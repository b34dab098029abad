"""The page's modules by themselves, in a real browser: what they compute, without a film."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from browser import chromium, needs_chromium
from fastapi import FastAPI
from playwright.sync_api import Page
from served import serving

from sgen_ray.errors import RequestError
from sgen_ray.serving import page
from sgen_ray.story import parse_story

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def view() -> Iterator[Page]:
    app = FastAPI()
    app.include_router(page.router)
    with serving(app) as address, chromium() as browser:
        view = browser.new_page()
        view.goto(f"{address}/page/{page.pages().version}/mark.svg")
        yield view


def run(view: Page, module: str, expression: str, **values: Any) -> Any:
    """The value of an expression over a module, `m`, and values by name."""
    code = f"async ({{{', '.join(values)}}}) => {{ const m = await import('./{module}'); return {expression}; }}"
    return view.evaluate(code.replace("./", view.url.rsplit("/", 1)[0] + "/"), values)


STORIES = [
    "- prompt: a fox\n  seconds: 15\n- prompt: a hare\n  seconds: 2.5\n",
    "shots:\n  - prompt: a fox\n    seconds: 15\n",
    '- seconds: 3\n  prompt: "a \\"fox\\": red"   # how it looks\n',
    "- prompt: 'it''s a fox'\n  seconds: 3\n\n# the end\n",
    "- prompt: a fox that runs\n    through the snow\n  seconds: 3\n",
    "- prompt: >\n    a fox that runs\n    through the snow\n  seconds: 3\n",
    "-\n  prompt: a fox # red\n  seconds: 3\n",
]
BAD = [
    ("", 1),
    ("- prompt: a fox\n", 1),
    ("- prompt: a fox\n  seconds: long\n", 2),
    ("- prompt: a fox\n  seconds: -1\n", 2),
    ("- prompt: a fox\n  secs: 3\n", 2),
    ("- prompt: a fox\n  seconds: 3\n  seconds: 4\n", 3),
    ("- prompt: a fox: red\n  seconds: 3\n", 1),
    ("a fox in the snow", 1),
]


@pytest.mark.parametrize("story", STORIES)
def test_a_story_is_read_as_the_command_reads_it(view: Page, story: str) -> None:
    ours = [{"prompt": " ".join(shot.prompt.split()), "seconds": shot.seconds} for shot in parse_story(story)]
    assert run(view, "story.js", "m.parseStory(story)", story=story) == ours
    again = run(view, "story.js", "m.writeStory(m.parseStory(story))", story=story)
    assert [{"prompt": shot.prompt, "seconds": shot.seconds} for shot in parse_story(again)] == ours


@pytest.mark.parametrize("story,line", BAD)
def test_a_story_that_the_command_refuses_is_refused_at_the_same_line(view: Page, story: str, line: int) -> None:
    with pytest.raises(RequestError, match=f"line {line}:"):
        parse_story(story)
    code = "(() => { try { m.parseStory(story); return 'taken'; } catch (wrong) { return wrong.message; } })()"
    assert run(view, "story.js", code, story=story).startswith(f"line {line}: ")


def event(kind: str, at: float, **data: Any) -> dict[str, Any]:
    return {"type": kind, "at": 1000 + at, "data": data}


STARTED = {"windows": 4, "segments": 8, "renderers": 2, "device": "cpu", "windows_reused": 2, "segments_reused": 3,
           "reused": [0, 3]}  # fmt: skip


def test_events_are_folded_into_what_happened(view: Page) -> None:
    told = partial(run, view, "feed.js")
    events = [
        event("state", 0, state="planning"),
        event("steps", 1, plan={"done": 2, "total": 4}, windows=[], eta=None),
        event("started", 2, **STARTED),
        event("steps", 3, plan=None, windows=[{"window": 1, "renderer": 0, "done": 2, "total": 4}], eta=7.5),
    ]
    folds = "events.reduce(m.fold, m.nothing())"
    now = told(folds, events=events)
    assert now["eta"] == 7.5 and now["windows"]["1"]["begin"] == 3
    assert told(f"m.progress({folds})", events=events) == {"done": 2, "total": 4, "reused": 2, "share": 0.625}
    assert told(f"m.windowStates({folds})", events=events) == ["reused", "painting", "waiting", "reused"]

    done = {"seconds": 4, "begin": 2.5, "end": 6.5, "done": 3, "total": 4}
    events += [event("window", 6.5, window=1, renderer=0, **done)]
    events += [event("steps", 7, plan=None, windows=[{"window": 2, "renderer": 1, "done": 1, "total": 4}], eta=2)]
    assert told(f"m.windowStates({folds})", events=events) == ["reused", "done", "painting", "reused"]
    assert told(f"{folds}.windows[1].begin", events=events) == 2.5

    events += [event("lost", 8, worker="renderer 1", work="render 2", cause="killed")]
    assert told(f"m.windowStates({folds})", events=events)[2] == "waiting"
    events += [event("state", 9, state="planning")]
    again = told(folds, events=events)  # by another worker, from what is stored
    assert again["windows"] == {} and again["started"] is None and len(again["lost"]) == 1 and again["zero"] == 1000
    assert told(f"{folds}.ended", events=[*events, event("end", 10, status="failed")])


def test_a_plan_that_is_made_again_has_another_picture(view: Page) -> None:
    events = [event("state", at, state=state) for at, state in enumerate(["planning", "awaiting_approval"] * 2)]
    assert run(view, "feed.js", "events.reduce(m.fold, m.nothing()).plans", events=events) == 2


def test_bars_of_a_renderer_are_in_order_and_begin_with_the_first_stroke(view: Page) -> None:
    windows = {
        "0": {"renderer": 1, "begin": 10, "end": 14, "finished": True},
        "2": {"renderer": 1, "begin": 14, "end": 15, "done": 1, "total": 4},
        "1": {"renderer": 0, "begin": 10.5, "end": 15, "finished": True},
    }
    rows = run(view, "lanes.js", "m.rowsOf({windows})", windows=windows)
    assert [row["name"] for row in rows] == ["renderer 1", "renderer 2"]
    assert [(bar["window"], bar["begin"], bar["share"]) for bar in rows[1]["bars"]] == [(0, 0, 1), (2, 4, 0.25)]


def test_a_playlist_and_the_codec_are_read(view: Page) -> None:
    playlist = '#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n#EXTINF:4.0,\n0.m4s\n#EXTINF:1.5,\n1.m4s\n'
    found = run(view, "player.js", "m.readPlaylist(text)", text=playlist)
    assert found["init"] == "init.mp4" and not found["ended"]
    assert found["parts"] == [{"name": "0.m4s", "seconds": 4}, {"name": "1.m4s", "seconds": 1.5}]
    assert run(view, "player.js", "m.readPlaylist(text).ended", text=playlist + "#EXT-X-ENDLIST\n")
    box = [0, 0, 0, 20, *b"avcC", 1, 0x64, 0x00, 0x1F, 0xFF]
    assert run(view, "player.js", "m.codecOf(new Uint8Array(head))", head=[0] * 9 + box) == "avc1.64001f"


@pytest.mark.parametrize(
    "expression,text",
    [
        ("m.clock(0)", "0:00"), ("m.clock(75.5)", "1:15.5"), ("m.clock(600)", "10:00"), ("m.clock(59.99)", "1:00"),
        ("m.span(0.42)", "0.4 s"), ("m.span(12.4)", "12 s"), ("m.span(75)", "1 min 15 s"),
        ("m.span(7260)", "2 h 1 min"),
        ("m.ago(1000, 1030)", "just now"), ("m.ago(1000, 1180)", "3 minutes ago"),
        ("m.ago(1000, 1000 + 7300)", "2 hours ago"), ("m.ago(1000, 1000 + 90000)", "yesterday"),
        ("m.stateName({state: 'rendering', cancel_requested: true})", "stopping"),
    ],
)  # fmt: skip
def test_times_are_told_in_words(view: Page, expression: str, text: str) -> None:
    assert run(view, "format.js", expression) == text


def test_what_people_write_is_never_read_as_markup(view: Page) -> None:
    bad = "<img src=x onerror=alert(1)>"
    made = "m.h('p', {title: text}, text, [text, [null, false]])"
    assert run(view, "dom.js", f"{made}.textContent", text=bad) == bad * 2
    assert run(view, "dom.js", f"{made}.childElementCount", text=bad) == 0
