"""The page as it is served, without a browser: types, caching, policy, and what its files may hold."""

import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from sgen_ray.serving import page
from sgen_ray.serving.problems import handle_problems

FILES = sorted(page.FOLDER.iterdir())


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    handle_problems(app)
    app.include_router(page.router)
    return TestClient(app)


def links(html: str) -> list[str]:
    return re.findall(r'(?:href|src)="(page/[^"]+)"', html)


def test_all_that_the_page_names_is_there_with_its_type_and_kept_for_ever(client: TestClient) -> None:
    found = links(client.get("/").text)
    assert {Path(name).suffix for name in found} == {".css", ".js", ".svg"}
    for name in found:
        answer = client.get(f"/{name}")
        assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"].split(";")[0] == page.TYPES[Path(name).suffix]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_itself_is_asked_for_anew_and_costs_nothing_when_it_is_the_same(client: TestClient) -> None:
    first = client.get("/")
    assert first.headers["cache-control"] == "no-cache" and first.headers["content-type"].startswith("text/html")
    again = client.get("/", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert again.status_code == 304 and not again.content
    assert client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.head("/").headers["etag"] == first.headers["etag"]


def test_a_change_of_any_file_changes_every_address(tmp_path: Path) -> None:
    for path in FILES:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = page.pages.__wrapped__(tmp_path)
    assert before == page.pages.__wrapped__(page.FOLDER)
    (tmp_path / "dom.js").write_bytes((tmp_path / "dom.js").read_bytes() + b"\n")
    after = page.pages.__wrapped__(tmp_path)
    assert before.version != after.version and before.files["index.html"] != after.files["index.html"]


def test_another_version_gets_what_there_is_and_does_not_keep_it(client: TestClient) -> None:
    answer = client.get("/page/0123456789abcdef/main.js")
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "%2e%2e%2fpage.py", "..%5cpage.py", ".", "main.js%00"])
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    answer = client.get(f"/page/{page.pages().version}/{name}")
    assert answer.status_code == 404 and answer.json()["error"]["message"]


def test_the_policy_allows_no_other_host_and_nothing_inline(client: TestClient) -> None:
    rules = dict(rule.split(" ", 1) for rule in client.get("/").headers["content-security-policy"].split("; "))
    assert rules.pop("default-src") == "'none'" and rules.pop("frame-ancestors") == "'none'"
    assert {word for rule in rules.values() for word in rule.split()} <= {"'self'", "'none'", "blob:", "'script'"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_names_another_host_or_holds_what_the_policy_forbids(path: Path) -> None:
    text = path.read_text()
    assert set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    if path.suffix == ".html":
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", text)
    if path.suffix == ".js":
        for name in re.findall(r'from "([^"]+)"', text):
            assert name.startswith("./") and (page.FOLDER / name[2:]).is_file()
        assert len(text.splitlines()) <= 250


def test_it_works_under_a_prefix() -> None:
    app = FastAPI()
    app.include_router(page.router, prefix="/films")
    client = TestClient(app, base_url="http://testserver")
    base = httpx.URL("http://testserver/films/")
    for name in links(client.get(str(base)).text):
        assert client.get(str(base.join(name))).status_code == 200


# Contrast of every pair of text and ground that the style sheets use (WCAG 2.2, 1.4.3): 4.5 to 1.
PAIRS = [
    *((text, ground) for text in ("ink", "soft", "accent", "bad") for ground in ("paper", "sheet", "well")),
    *((text, "accent-wash") for text in ("ink", "accent")),
    *((text, "bad-wash") for text in ("ink", "bad", "soft")),
    ("good", "paper"), ("good", "sheet"), ("good", "well"), ("accent-ink", "accent"), ("paint-ink", "paint"),
]  # fmt: skip


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_on_its_ground(scheme: int) -> None:
    tokens = dict(re.findall(r"--([\w-]+): light-dark\((.+?)\);", (page.FOLDER / "tokens.css").read_text()))
    colours = {name: pair.split(", ")[scheme] for name, pair in tokens.items()}
    poor = {pair: round(contrast(*(colours[name] for name in pair)), 2) for pair in PAIRS}
    assert {pair: found for pair, found in poor.items() if found < 4.5} == {}
    edges = [contrast(colours["edge"], colours[ground]) for ground in ("paper", "sheet")]  # of fields: 3 to 1
    assert min(edges) >= 3


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
