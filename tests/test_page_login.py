"""The page where keys are wanted: a login, a cookie that no script reads, and everything else as without."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from browser import chromium, needs_chromium
from playwright.sync_api import Page, expect
from service import Place, toy_place

pytestmark = needs_chromium
expect.set_options(timeout=60_000)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = toy_place(tmp_path, monkeypatch, keys="required")
    assert place.app.state.service.jobs.list().jobs == ()  # the database is made now, not with the first look
    return place


@pytest.fixture
def page(place: Place) -> Iterator[Page]:
    with place.listening() as address, chromium() as browser:
        page = browser.new_page()
        page.goto(address)
        yield page
        page.close()


def test_a_key_opens_the_page_until_one_leaves(page: Page, place: Place) -> None:
    _, key = place.app.state.service.jobs.create_key("studio", "page")
    expect(page.get_by_role("heading", name="Your key, please")).to_be_visible()
    expect(page.get_by_role("navigation", name="Films")).to_be_hidden()
    field = page.get_by_label("Key", exact=True)
    expect(field).to_be_focused()
    field.fill("sk-" + "0" * 40)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="not, or no longer, valid")).to_be_visible()
    field.fill(key)
    page.get_by_role("button", name="Sign in").click()

    text = page.get_by_role("textbox", name="What happens in the film")
    text.fill("a shot of a dog")
    page.get_by_role("spinbutton", name="Seconds").fill("2")
    with place.films():
        page.get_by_role("button", name="Make the film").click()
        expect(page.locator(".chip-state")).to_have_text("ready")
    page.reload()
    page.locator("video").evaluate("v => v.play()")
    for _ in range(300):
        if page.locator("video").evaluate("v => v.currentTime") > 0.2:
            break
        page.wait_for_timeout(100)
    assert page.locator("video").evaluate("v => v.videoWidth") > 0  # the cookie serves for media and events too
    assert page.evaluate("() => document.cookie + JSON.stringify(localStorage)").count(key) == 0
    cookie = next(one for one in page.context.cookies() if "sgen" in one["name"])
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"

    film = page.url
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Your key, please")).to_be_visible()
    assert httpx.get(f"{film.partition('#')[0]}v1/videos", timeout=30).status_code == 401


def test_a_key_that_is_revoked_leads_back_to_the_login(page: Page, place: Place) -> None:
    jobs = place.app.state.service.jobs
    key, token = jobs.create_key("studio", "page")
    page.get_by_label("Key", exact=True).fill(token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="New film")).to_be_visible()
    jobs.revoke_key(key.id)
    again = page.get_by_role("heading", name="Your key, please")
    for _ in range(60):  # the service takes its word on a key for some seconds; the list looks when it is seen again
        page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_timeout(500)
        if again.is_visible():
            break
    expect(again).to_be_visible()
