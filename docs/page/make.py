"""Makes the pictures of docs/page.md: the real page in Chromium, with a service and a worker in this process.

    .venv/bin/python docs/page/make.py

The films are the shipped model's; letters are those that this machine has.
"""

from __future__ import annotations

import re
import sys
import tempfile
import threading
from io import BytesIO
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "tests"))

from browser import chromium  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import Page, expect  # noqa: E402
from served import serving  # noqa: E402

from sgen_ray.engine.config import EngineConfig  # noqa: E402
from sgen_ray.engine.events import Event, SegmentEncoded, WindowFinished  # noqa: E402
from sgen_ray.serving.app import build_app  # noqa: E402
from sgen_ray.serving.settings import Settings  # noqa: E402
from sgen_ray.worker import Worker  # noqa: E402

WATER = """\
- prompt: water evaporating from the ocean under a hot sun
  seconds: 15
- prompt: clouds forming over the mountains
  seconds: 15
- prompt: rain falling on the mountains
  seconds: 15
- prompt: a river flowing back to the ocean
  seconds: 15
"""
PATIENCE = 600_000


def shoot(page: Page, name: str, height: int) -> None:
    before = page.viewport_size
    assert before is not None
    page.set_viewport_size({"width": before["width"], "height": height})
    page.evaluate("() => scrollTo(0, 0)")
    page.wait_for_timeout(1000)
    Image.open(BytesIO(page.screenshot())).save(HERE / f"{name}.webp", quality=80, method=6)
    page.set_viewport_size(before)


def main() -> None:
    expect.set_options(timeout=PATIENCE)
    pausing, go_on = threading.Event(), threading.Event()
    seen = {"windows": 0, "segments": 0}

    def tell(event: Event) -> None:
        seen["windows"] += isinstance(event, WindowFinished)
        seen["segments"] += isinstance(event, SegmentEncoded)
        if pausing.is_set() and seen["windows"] >= 3 and seen["segments"] >= 2:
            go_on.wait(120)

    with tempfile.TemporaryDirectory() as store:
        app = build_app(Settings(store=store, database=None))
        engine = EngineConfig(in_process=True, renderers=2, threads=1, device="cpu")
        worker = Worker(app.state.service.jobs, store, engine, tell)
        with serving(app) as address, chromium() as browser:
            worker.start(1)
            page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
            page.set_default_timeout(PATIENCE)
            page.goto(address)
            for prompt in ("A boat sailing on the ocean at night", "A red car driving through the desert at dusk"):
                page.get_by_role("textbox", name="What happens").first.fill(prompt)
                page.get_by_role("spinbutton", name="Seconds").first.fill("12")
                page.get_by_role("button", name="Make the film").click()
                expect(page.locator(".chip-state")).to_have_text("ready")
                page.keyboard.press("n")
            page.get_by_role("button", name="A story.yaml").click()
            page.get_by_role("textbox", name="story.yaml").fill(WATER)
            page.get_by_role("button", name="Use it").click()
            page.get_by_role("switch", name="Show me the plan first").check()
            page.locator("h1").click()
            shoot(page, "storyboard", 860)
            page.get_by_role("button", name="Plan the film").click()
            expect(page.get_by_role("heading", name="Here is the plan")).to_be_visible()
            page.wait_for_timeout(2000)
            shoot(page, "plan", 1380)
            pausing.set()
            seen.update(windows=0, segments=0)
            page.emulate_media(color_scheme="dark")
            page.get_by_role("button", name="Approve and paint it").click()
            page.wait_for_function("() => document.querySelector('video').currentTime > 2")
            page.evaluate("() => document.querySelector('video').pause()")
            page.wait_for_timeout(4000)
            shoot(page, "painting", 1200)
            go_on.set()
            expect(page.locator(".chip-state")).to_have_text("ready")
            page.get_by_role("button", name=re.compile("^Shot 3")).click()
            page.locator("#edit-prompt").fill("snow falling on the mountains")
            page.get_by_role("button", name="Paint this shot again").click()
            expect(page.get_by_text("An edit of")).to_be_visible()
            expect(page.locator(".chip-state")).to_have_text("ready")
            page.reload()
            expect(page.get_by_role("heading", name="How it came out")).to_be_visible()
            page.emulate_media(color_scheme="light")
            page.wait_for_function("() => document.querySelector('video').readyState >= 1")
            page.evaluate("() => (document.querySelector('video').currentTime = 38)")
            page.wait_for_timeout(3000)
            shoot(page, "edited", 2250)
            page.set_viewport_size({"width": 390, "height": 844})
            page.emulate_media(color_scheme="dark")
            shoot(page, "small", 844)
            worker.stop(60)


if __name__ == "__main__":
    main()
