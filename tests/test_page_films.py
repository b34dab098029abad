"""The page in a real Chromium, on the real service with a worker of its own: from a prompt to an edit."""

from __future__ import annotations

import base64
import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import chromium, needs_chromium
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from proxy import Proxy
from service import ENGINE, ended, toy_place

from sgen_ray.engine.events import Event, SegmentEncoded
from sgen_ray.evaluation.adherence import world_frames
from sgen_ray.models.factory import load_factory
from sgen_ray.worker import Worker
from sgen_ray.world import parse

pytestmark = needs_chromium
WAIT = 30_000
"""Milliseconds after which what was begun is taken to be stuck."""
expect.set_options(timeout=WAIT)
WORKING = re.compile("painting|joining")


@dataclass
class Studio:
    """A service, a worker of its jobs, and a browser."""

    address: str
    browser: Browser
    go_on: threading.Event = field(default_factory=threading.Event)

    def tell(self, event: Event) -> None:
        if isinstance(event, SegmentEncoded) and event.done >= 2:
            self.go_on.wait(120)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Films stop after their second segment, as long as this lasts."""
        self.go_on.clear()
        try:
            yield
        finally:
            self.go_on.set()

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.address}/v1/{path}", timeout=60).raise_for_status().json()

    def film(self, **wishes: Any) -> str:
        """A short film that is there."""
        with httpx.Client(base_url=self.address, timeout=60) as client:
            body = {"prompt": "a shot of a cat in the snow", "seconds": 4, "steps": 1, "plan_steps": 1, **wishes}
            video = client.post("/v1/videos", json=body).raise_for_status().json()
            return str(ended(client, video["id"])["id"])


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with pytest.MonkeyPatch.context() as patch:
        place = toy_place(tmp_path_factory.mktemp("page"), patch)
        with place.listening() as address, chromium() as browser:
            studio = Studio(address, browser)
            worker = Worker(place.app.state.service.jobs, place.settings.store, ENGINE, studio.tell)
            worker.start(1)
            studio.go_on.set()
            yield studio
            studio.go_on.set()
            assert worker.stop(60)


@pytest.fixture
def page(studio: Studio) -> Iterator[Page]:
    """The page, which must not throw, nor ask for anything that its policy forbids."""
    page = studio.browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WAIT)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    page.goto(studio.address)
    expect(page.get_by_role("heading", name="New film")).to_be_visible()
    yield page
    page.close()
    assert wrong == []


def write(page: Page, *shots: tuple[str, float], steps: int = 1) -> None:
    """The storyboard as a person types it."""
    for number, (prompt, seconds) in enumerate(shots, 1):
        if number > 1:
            page.get_by_role("button", name="Add a shot").click()
        of = f" of shot {number}" if number > 1 else ""
        page.get_by_role("textbox", name=f"What happens{of}").nth(-1).fill(prompt)
        page.get_by_role("spinbutton", name=re.compile(f"Seconds{of}$|Seconds$")).nth(-1).fill(str(seconds))
    steps_field = page.get_by_label("Steps a window")
    if not steps_field.is_visible():
        page.locator(".options summary").click()
    steps_field.fill(str(steps))


def state(page: Page) -> Locator:
    return page.locator(".chip-state")


def until(page: Page, expression: str) -> None:
    """Waits until it is so; Playwright's own wait would evaluate a string, which the page's policy forbids."""
    for _ in range(WAIT // 100):
        if page.evaluate(f"() => {expression}"):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never: {expression}")


def plays(page: Page) -> bool:
    """Whether the picture moves on: there are frames, and time goes by."""
    until(page, "(v => v.readyState >= 2 && v.videoWidth > 0)(document.querySelector('video'))")
    page.evaluate("document.querySelector('video').play()")
    until(page, "document.querySelector('video').currentTime > 0.5")
    return True


def accessible(page: Page) -> list[str]:
    """What axe finds wrong."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found]


def video_of(page: Page) -> str:
    page.wait_for_url(re.compile("#/job_"))
    return page.url.rsplit("/", 1)[-1]


def test_a_prompt_becomes_a_film_that_plays_while_it_is_made(page: Page, studio: Studio, tmp_path: Path) -> None:
    with studio.held():
        write(page, ("An astronaut walking on Mars, the Earth visible in the sky", 24))
        page.get_by_role("button", name="Make the film").click()
        expect(state(page)).to_have_text(WORKING)
        until(page, "document.querySelector('video').src.startsWith('blob:')")
        assert plays(page)
        expect(state(page)).to_have_text(WORKING)  # it is not finished, and cannot be
        expect(page.locator(".windows .done").first).to_be_visible()
        bar = page.get_by_role("progressbar", name="Windows painted")
        expect(bar).to_have_attribute("aria-valuetext", re.compile(r"\d+ of \d+ windows"))
        expect(page.get_by_role("img", name=re.compile("renderers painted"))).to_be_visible()
        assert accessible(page) == []

    expect(state(page)).to_have_text("ready")
    expect(page.get_by_role("heading", name="How it came out")).to_be_visible()
    until(page, "(v => v.buffered.length && v.buffered.end(0) > 23.5)(document.querySelector('video'))")

    page.reload()  # from here on it is an ordinary film
    assert page.locator("video").evaluate("v => v.src").endswith("/content") and plays(page)
    expect(page.get_by_role("img", name="The film in small pictures, in order")).to_be_visible()
    expect(page.get_by_role("heading", name="Where the time went")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    download.value.save_as(tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"
    page.get_by_role("slider", name="Place in the film").focus()
    page.keyboard.press("End")
    until(page, "document.querySelector('video').currentTime > 20")
    assert accessible(page) == []


def test_a_storyboard_is_planned_changed_approved_and_edited(page: Page, studio: Studio) -> None:
    write(page, ("a red car driving through the desert", 12), ("a boat on the ocean", 12), ("rain in the forest", 12))
    expect(page.get_by_text("3 shots, 0:36 in all")).to_be_visible()
    page.get_by_role("switch", name="Show me the plan first").check()
    page.get_by_role("button", name="Plan the film").click()
    expect(page.get_by_role("heading", name="Here is the plan")).to_be_visible(timeout=WAIT)
    strip = page.get_by_role("img", name=re.compile("The plan as a filmstrip: shot 1 from 0:00 to 0:12, a red car"))
    expect(strip).to_be_visible()
    until(page, "document.querySelector('img.plan').naturalWidth > 100")
    approve = page.get_by_role("button", name="Approve and paint it")
    expect(approve).to_be_enabled()
    assert accessible(page) == []

    again = page.get_by_role("button", name="Plan it again with these shots")
    expect(again).to_be_disabled()
    page.get_by_role("textbox", name="What happens of shot 2").fill("a whale in the ocean")
    expect(approve).to_be_disabled()
    again.click()
    expect(page.get_by_role("img", name=re.compile("a whale in the ocean"))).to_be_visible(timeout=WAIT)
    approve.click()
    expect(state(page)).to_have_text("ready")
    first = studio.get(f"videos/{video_of(page)}")
    assert [shot["prompt"] for shot in first["shots"]][1] == "a whale in the ocean"

    page.get_by_role("button", name=re.compile("^Shot 3, 0:24 to 0:36")).click()
    expect(page.locator("#edit-shot")).to_have_value("3")
    page.locator("#edit-prompt").fill("snow in the forest")
    with studio.held():
        page.get_by_role("button", name="Paint this shot again").click()
        page.wait_for_url(lambda url: "#/job_" in url and first["id"] not in url)
        expect(page.get_by_text("An edit of")).to_be_visible()
        # While it is painted it can be seen which windows are not.
        expect(page.locator(".windows .reused").first).to_be_visible()
        expect(state(page)).to_have_text(WORKING)
    expect(state(page)).to_have_text("ready")
    expect(page.get_by_text(re.compile(r"\d windows? kept from an earlier film"))).to_be_visible()
    assert page.locator(".windows .reused").count() >= 1 and page.locator(".windows .done").count() >= 1
    page.get_by_role("link", name="an earlier film").click()
    page.wait_for_url(re.compile(first["id"]))


def test_a_lost_connection_is_told_and_made_again_without_a_gap(page: Page, studio: Studio) -> None:
    lost = page.get_by_text("The connection to the service is lost")
    with Proxy(studio.address) as proxy:
        page.goto(proxy.address)
        with studio.held():
            write(page, ("a horse running in a meadow", 20))
            page.get_by_role("button", name="Make the film").click()
            expect(state(page)).to_have_text(WORKING)
            video = video_of(page)
            proxy.cut()
            expect(lost).to_be_visible()
        with httpx.Client(base_url=studio.address, timeout=60) as client:
            ended(client, video)  # and the page does not know
        expect(state(page)).to_have_text(WORKING)
        proxy.mend()
        expect(state(page)).to_have_text("ready")
        expect(lost).to_be_hidden()
        windows = studio.get(f"videos/{video}")["windows"]["total"]
        expect(page.locator(".lanes + details tbody tr")).to_have_count(windows)
        page.close()


def test_where_there_is_no_stream_the_page_looks_again_and_again(page: Page) -> None:
    page.route("**/events*", lambda route: route.fulfill(status=503))
    write(page, ("a horse running in a meadow", 4))
    page.get_by_role("button", name="Make the film").click()
    expect(state(page)).to_have_text("ready")
    expect(page.get_by_text("The connection to the service is lost")).to_be_hidden()


def test_a_film_begins_with_a_picture(page: Page, studio: Studio, tmp_path: Path) -> None:
    picture = tmp_path / "green.png"
    Image.new("RGB", (2048, 1024), (90, 200, 20)).save(picture)
    (tmp_path / "letter.png").write_text("dear")
    chooser = page.locator("#first_frame")
    chooser.set_input_files(tmp_path / "letter.png")
    expect(page.get_by_role("alert").filter(has_text="no picture that can be read")).to_be_visible()
    chooser.set_input_files(picture)
    shown = page.get_by_role("img", name="The first frame: green.png")
    expect(shown).to_be_visible()
    assert accessible(page) == []
    page.get_by_role("button", name="Begin without it").click()
    expect(shown).to_be_hidden()
    page.evaluate(
        """async () => {
            const canvas = new OffscreenCanvas(200, 100);
            canvas.getContext("2d").fillStyle = "rgb(90 200 20)";
            canvas.getContext("2d").fillRect(0, 0, 200, 100);
            const data = new DataTransfer();
            data.items.add(new File([await canvas.convertToBlob()], "shot.png", {type: "image/png"}));
            document.querySelector("textarea").dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
        }"""  # noqa: E501
    )
    expect(page.get_by_role("img", name="The first frame: shot.png")).to_be_visible()
    write(page, ("a red car driving through the desert", 4))
    with page.expect_request(lambda request: request.method == "POST" and request.url.endswith("/v1/videos")) as asked:
        page.get_by_role("button", name="Make the film").click()
    expect(state(page)).to_have_text("ready")
    address = asked.value.post_data_json["input_reference"]["image_url"]
    sent = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert sent.size == (200, 100) and sent.convert("RGB").getpixel((50, 50)) == (90, 200, 20)

    page.goto(f"{studio.address}/#/")
    page.route("**/v1/videos", lambda route: route.fulfill(status=400, json=REFUSED))
    page.locator("#first_frame").set_input_files(picture)
    write(page, ("a red car driving through the desert", 4))
    page.get_by_role("button", name="Make the film").click()
    expect(page.get_by_role("alert").filter(has_text="input_reference: too many pixels")).to_be_visible()


REFUSED = {
    "error": {"message": "input_reference: too many pixels", "param": "input_reference", "code": "invalid_value"}
}


def test_a_character_is_kept_named_and_forgotten(page: Page, studio: Studio, tmp_path: Path) -> None:
    def world_of(prompt: str) -> NDArray[np.uint8]:
        return world_frames(parse(prompt, 0, 4), load_factory("nano").grid, 1)[0]

    Image.fromarray(world_of("an orange horse in the desert")).save(tmp_path / "horse.png")
    page.get_by_role("button", name="Keep one …").click()
    dialog = page.get_by_role("dialog", name="Keep a character")
    dialog.get_by_label("Name").fill("Rex")
    dialog.get_by_label("Picture").set_input_files(tmp_path / "horse.png")
    dialog.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("@rex is kept: orange horse")).to_be_visible()
    shot = page.get_by_role("textbox", name="What happens")
    shot.fill("in the snow")
    shot.press("Home")
    page.get_by_role("button", name="Write @rex into the shot: orange horse").press("Enter")
    expect(shot).to_have_value("@rex in the snow")
    expect(shot).to_be_focused()
    assert accessible(page) == []
    write(page, ("@rex in the snow", 4))
    page.get_by_role("button", name="Make the film").click()
    expect(state(page)).to_have_text("ready")
    assert studio.get(f"videos/{video_of(page)}")["shots"][0]["prompt"] == "orange horse in the snow"

    page.get_by_role("button", name="Keep as a character").click()
    dialog.get_by_label("Name").fill("whoever")
    with page.expect_response(lambda response: response.url.endswith("/characters")) as answered:
        dialog.get_by_role("button", name="Keep it").click()
    kept, answer = answered.value.ok, answered.value.json()  # the toy model paints noise: who knows who that is
    said = f"@whoever is kept: {answer['description']}" if kept else answer["error"]["message"]
    expect(page.get_by_text(said)).to_be_visible()

    page.goto(f"{studio.address}/#/")
    Image.fromarray(world_of("an empty desert")).save(tmp_path / "desert.png")
    page.get_by_role("button", name="Keep one …").click()
    dialog.get_by_label("Name").fill("nobody")
    dialog.get_by_label("Picture").set_input_files(tmp_path / "desert.png")
    dialog.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("nobody is recognised in it")).to_be_visible()
    names = ["rex", "whoever"] if kept else ["rex"]
    for name in names:
        page.get_by_role("button", name=f"Forget @{name}").click()
        expect(page.get_by_role("button", name=f"Forget @{name}")).to_have_count(0)
    assert studio.get("videos/characters")["data"] == []


def test_a_film_is_extended_and_remixed(page: Page, studio: Studio) -> None:
    page.goto(f"{studio.address}/#/{studio.film()}")
    here = page.url
    page.locator("#extend-seconds").fill("4")
    page.get_by_role("button", name="Extend the film").click()
    page.wait_for_url(lambda url: url != here)
    expect(page.get_by_text("Longer than")).to_be_visible()
    page.goto(here)
    page.locator("#remix-prompt").fill("a dog in the snow")
    page.get_by_role("button", name="Make the remix").click()
    page.wait_for_url(lambda url: url != here)
    expect(page.get_by_role("heading", name="A dog in the snow")).to_be_visible()
    expect(state(page)).to_have_text("ready")


def test_a_film_is_stopped_made_after_all_and_deleted(page: Page, studio: Studio) -> None:
    with studio.held():
        write(page, ("a horse running in a meadow", 30))
        page.get_by_role("button", name="Make the film").click()
        expect(state(page)).to_have_text(WORKING)
        page.get_by_role("button", name="Stop it").click()
        expect(page.get_by_role("button", name="Stop it")).to_be_disabled()
    expect(state(page)).to_have_text("stopped")
    expect(page.get_by_role("alert").filter(has_text="It was stopped")).to_be_visible()
    video = video_of(page)
    page.get_by_role("button", name="Try the same again").click()
    expect(state(page)).to_have_text("ready")
    again = video_of(page)
    assert again != video and studio.get(f"videos/{again}")["shots"] == studio.get(f"videos/{video}")["shots"]
    page.go_back()
    expect(state(page)).to_have_text("stopped")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog", name="Delete this film?").get_by_role("button", name="Leave it").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    page.wait_for_url(re.compile("#/$"))
    expect(page.locator(f'#films a[href="#/{video}"]')).to_have_count(0)
    assert httpx.get(f"{studio.address}/v1/videos/{video}").status_code == 404


def test_what_is_wrong_is_told_where_it_is_wrong(page: Page, studio: Studio) -> None:
    page.get_by_role("button", name="Make the film").click()
    text = page.get_by_role("textbox", name="What happens in the film")
    expect(text).to_be_focused()
    expect(text).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".shot .fault")).to_contain_text("the prompt is empty")
    text.fill("a dog in the snow")
    expect(page.locator(".shot .fault")).to_be_hidden()

    write(page, ("a dog in the snow", 5))
    page.get_by_label("Size").fill("511x256")
    page.get_by_role("button", name="Make the film").click()
    expect(page.get_by_label("Size")).to_be_focused()
    expect(page.get_by_role("alert").filter(has_text="use 512x256")).to_be_visible()
    page.get_by_label("Size").fill("")
    page.get_by_role("button", name="Add a shot").click()
    page.get_by_role("textbox", name="What happens of shot 2").fill("a cat")
    page.get_by_role("spinbutton", name="Seconds of shot 2").fill("0.2")
    page.get_by_role("button", name="Make the film").click()
    expect(page.get_by_role("textbox", name="What happens of shot 2")).to_be_focused()
    expect(page.locator(".shot .fault").nth(1)).to_contain_text("seconds of shot 2 is 0.2")
    assert accessible(page) == []

    page.goto(f"{studio.address}/#/job_00000000000000000000")
    expect(page.get_by_role("heading", name="This film is not there")).to_be_focused()

    page.goto(f"{studio.address}/#/")
    page.route("**/v1/videos", lambda route: route.abort())
    page.get_by_role("textbox", name="What happens").first.fill("a dog")
    page.get_by_role("button", name="Make the film").click()
    expect(page.get_by_text("the service does not answer")).to_be_visible()


def test_words_that_the_model_has_never_seen_are_named(page: Page) -> None:
    page.get_by_role("textbox", name="What happens").fill("quantum chromodynamics")
    expect(page.get_by_text("Nothing here that this demo model has seen")).to_be_visible()
    page.get_by_role("textbox", name="What happens").fill("a shot of a boat")
    expect(page.get_by_text("This demo model knows a small world")).to_be_visible()


def test_a_story_is_pasted_moved_and_shortened_with_the_keyboard_alone(page: Page) -> None:
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.setData("text/plain", "- prompt: one\\n  seconds: 5\\n- prompt: two\\n  seconds: 6\\n- prompt: three\\n  seconds: 7\\n");
            document.querySelector("textarea").dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
        }"""  # noqa: E501
    )
    expect(page.get_by_text("3 shots, 0:18 in all")).to_be_visible()
    last = page.get_by_role("textbox", name="What happens of shot 3")
    last.focus()
    page.keyboard.press("Alt+ArrowUp")
    moved = page.get_by_role("textbox", name="What happens of shot 2")
    expect(moved).to_be_focused()
    expect(moved).to_have_value("three")
    expect(page.locator("#said")).to_have_text("Now shot 2 of 3")
    page.get_by_role("button", name="Remove shot 1").press("Enter")
    expect(page.get_by_text("2 shots, 0:13 in all")).to_be_visible()
    expect(page.get_by_role("textbox", name="What happens of shot 1")).to_be_focused()


def test_a_film_is_made_and_played_with_the_keyboard_alone(page: Page, studio: Studio) -> None:
    expect(page.get_by_role("button", name="Make the film")).to_be_visible()
    tab_to(page, lambda: page.locator("textarea:focus").count() == 1)
    page.keyboard.type("a bird flying over the forest")
    tab_to(page, lambda: page.locator('input[type="number"]:focus').count() == 1)
    page.keyboard.press("Control+a")
    page.keyboard.type("4")
    page.keyboard.press("Control+Enter")
    video_of(page)
    expect(page.locator("h1")).to_be_focused()
    expect(state(page)).to_have_text("ready")
    page.reload()
    until(page, "document.querySelector('video')?.readyState >= 1")
    page.keyboard.press("p")
    until(page, "document.querySelector('video').currentTime > 0.2")
    page.keyboard.press("e")
    expect(page.locator("#edit-prompt")).to_be_focused()
    page.locator("h1").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Shortcuts")).to_be_visible()
    assert accessible(page) == []
    page.get_by_label("Single letters are shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert "#/job_" in page.url
    page.evaluate("localStorage.clear()")
    page.reload()
    expect(state(page)).to_have_text("ready")
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="New film")).to_be_visible()


def tab_to(page: Page, there: Callable[[], bool], most: int = 40) -> None:
    """Every stop on the way must show that it has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        shown = page.evaluate(
            "(e => e === document.body || e.matches('main') || getComputedStyle(e).outlineStyle !== 'none')"
            "(document.activeElement)"
        )
        assert shown, page.evaluate("document.activeElement.outerHTML")[:200]
        if there():
            return
    raise AssertionError("the Tab key does not lead there")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_dark_or_light_as_the_system_is_and_as_one_chooses(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    grounds = {"light": "rgb(245, 242, 236)", "dark": "rgb(19, 18, 16)"}
    expect(page.get_by_role("button", name="Make the film")).to_be_visible()
    assert page.evaluate(ground) == grounds[scheme]
    assert accessible(page) == []
    other = {"light": "dark", "dark": "light"}[scheme]
    page.get_by_label("Appearance").select_option(other)
    assert page.evaluate(ground) == grounds[other]
    page.reload()
    expect(page.get_by_role("button", name="Make the film")).to_be_visible()
    assert page.evaluate(ground) == grounds[other] and accessible(page) == []
    page.get_by_label("Appearance").select_option("auto")


def test_a_small_screen_shows_all_of_it_without_scrolling_sideways(page: Page, studio: Studio) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    for path in ("", studio.film()):
        page.goto(f"{studio.address}/#/{path}")
        expect(page.locator("h1")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator("#films")).to_be_hidden()
    page.get_by_role("button", name="Films").click()
    expect(page.locator("#films a").first).to_be_visible()
    assert accessible(page) == []


def test_with_less_motion_nothing_plays_or_moves_by_itself(page: Page, studio: Studio) -> None:
    page.emulate_media(reduced_motion="reduce")
    with studio.held():
        write(page, ("a fish swimming underwater", 24))
        page.get_by_role("button", name="Make the film").click()
        until(page, "document.querySelector('video')?.buffered.length > 0")
        assert page.evaluate("document.querySelector('video').paused")
    expect(state(page)).to_have_text("ready")


def test_older_films_come_a_page_at_a_time(page: Page, studio: Studio) -> None:
    known = len(studio.get("videos?limit=100")["data"])
    for number in range(max(1, 25 - known)):
        order = {"prompt": "a shot", "seconds": 1, "seed": number, "approve": True}
        video = httpx.post(f"{studio.address}/v1/videos", json=order, timeout=60).raise_for_status().json()
        httpx.post(f"{studio.address}/v1/videos/{video['id']}/cancel", timeout=60)
    page.reload()
    expect(page.locator("#films li")).to_have_count(20)
    page.get_by_role("button", name="Older films").click()
    expect(page.locator("#films li")).to_have_count(max(25, known + 1))
    expect(page.get_by_role("button", name="Older films")).to_be_hidden()
