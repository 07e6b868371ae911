# SPDX-License-Identifier: Apache-2.0
"""The page in a real headless browser, from a file, with the network off."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from nemo_relay_viewer.command_line import main
from nemo_relay_viewer.index import open_index
from nemo_relay_viewer.page import build, write_page
from nemo_relay_viewer.page.store import Store

from .streams import conversation, mark, scope, span, usage, weather

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


class Opened:
    """A page in the browser; everything it complained of, asked for or popped up."""

    def __init__(self, browser: Browser, file: Path, scheme: str = "light", fragment: str = "") -> None:
        self.context = browser.new_context(
            offline=True, viewport={"width": 1300, "height": 700}, color_scheme=scheme, accept_downloads=True
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"{file.as_uri()}{fragment}")
        self.page.wait_for_selector("html[data-ready=yes]", timeout=60_000)

    def rows(self) -> list[str]:
        return self.page.locator(".row .n").all_inner_texts()

    def body(self) -> str:
        return self.page.locator("#body").inner_text()

    def keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def close(self) -> None:
        self.context.close()
        assert self.complaints == []
        assert [url for url in self.asked if not url.startswith(("file:", "blob:"))] == []


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    pages: list[Opened] = []

    def show(events: list[Any], scheme: str = "light", fragment: str = "", **options: Any) -> Opened:
        file = tmp_path / "events.jsonl"
        file.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
        made = write_page(open_index(file), tmp_path / "run.html", **options)
        pages.append(Opened(browser, made.path, scheme, fragment))
        return pages[-1]

    yield show
    for page in pages:
        page.close()


def test_the_tree_and_what_went_wrong(opened: Any) -> None:
    shown = opened(weather())
    assert shown.rows()[0].replace("\u00a0", " ").endswith("◆ weather")
    assert "1 llm, 1.2k → 30 tokens" in shown.page.locator("#sums").inner_text()
    shown.page.locator("#whygo").click()
    shown.page.get_by_text("TimeoutError: the station did not answer").first.wait_for()
    assert shown.page.evaluate("document.activeElement.getAttribute('role')") == "row"
    assert shown.page.evaluate("location.hash") == "#t1"


def test_keys(opened: Any) -> None:
    shown = opened(weather())
    shown.page.locator(".row[tabindex='0']").focus()
    shown.keys("e")
    shown.page.locator("#body >> text=tool get_weather").wait_for()
    shown.keys("6")
    shown.page.locator("#body >> text=otel.status_description").wait_for()
    shown.keys("1", "g", "z", "M")
    assert len(shown.rows()) == 1
    shown.keys("z", "R")
    count = len(shown.rows())
    shown.keys(".")
    assert len(shown.rows()) > count
    shown.keys("ArrowRight", "ArrowRight")
    assert shown.page.evaluate("document.activeElement.ariaLevel") == "3"
    shown.keys("Enter")
    assert shown.page.evaluate("document.activeElement.id") == "body"
    shown.keys("Escape", "?")
    assert shown.page.locator("#keys").is_visible()
    for key, view in (("t", "time"), ("c", "talk"), ("$", "cost")):
        shown.keys("Escape", key)
        assert shown.page.locator(f"#{view}").is_visible()


def test_filter_and_find(opened: Any) -> None:
    shown = opened(conversation(12))
    page = shown.page
    page.locator("#filter").fill("kind:llm")
    page.locator("text=12 of 13 rows").wait_for()
    page.locator("#filter").fill("tok>100")
    page.locator("text=3 of 13 rows").wait_for()
    page.locator("#filter").fill("colour:red")
    page.locator("text=is no filter").wait_for()
    page.locator("#filter").fill("")
    page.locator("#find").fill("ANSWER 7")
    page.locator("#find").press("Enter")
    page.locator("text=1 of 6").wait_for()  # the answer, and the five requests that hold it


def test_a_request_shows_what_is_new_and_the_difference(opened: Any) -> None:
    shown = opened(conversation(3), fragment="#l3")
    shown.page.locator("text=4 earlier messages").wait_for()
    assert "turn 2" not in shown.body()
    assert "turn 3" in shown.body()
    shown.page.locator("text=4 earlier messages").click()
    shown.page.locator("#body >> text=turn 2").wait_for()
    shown.page.get_by_role("tab", name="Diff").click()
    shown.page.locator("pre.add >> text=turn 3").wait_for()
    shown.page.get_by_role("tab", name="Conversation").click()
    shown.page.locator("#talk >> text=answer 3").wait_for()


def test_links_open_what_is_closed_and_back_returns(opened: Any) -> None:
    shown = opened(weather(), fragment="#l1/request")
    assert shown.page.evaluate("location.hash") == "#l1/request"
    shown.page.locator("[role=tab][aria-selected=true] >> text=Request").wait_for()
    shown.page.locator(".row >> text=get_time").click()
    assert shown.page.evaluate("location.hash") == "#t2/request"
    shown.page.go_back()
    shown.page.locator("#body >> text=llm openai").wait_for()


EVIL = (
    "</script><script>alert(1)</script><img src=http://127.0.0.1:9/x onerror=alert(2)>"
    "\u202e\x1b[31m<!-- --><svg onload=alert(3)>"
)


def test_a_hostile_run_is_text(opened: Any) -> None:
    events = [
        scope("start", 0, "a", EVIL, "agent", data={"messages": [{"role": "user", "content": EVIL}]}),
        *span(1, 2, "t", EVIL, "tool", "a", data={EVIL: EVIL}, ending={"data": EVIL}),
        *span(2, 3, EVIL, EVIL, "llm", "a", data={"content": {"messages": [{"role": EVIL, "content": EVIL}]}}),
        mark(3, EVIL, "a", {EVIL: EVIL}),
    ]
    shown = opened(events, title=EVIL)
    page = shown.page
    assert "<script>alert(1)" in page.locator("#title").inner_text()
    for key in "123456":
        shown.keys(key)
    for row in page.locator(".row").all():
        row.click()
        page.wait_for_timeout(50)
    assert "alert(1)" in shown.body()
    assert "\u202e" not in page.locator("body").inner_text()
    assert page.locator("img, svg, iframe").count() == 0
    for key in ("t", "c", "$"):
        shown.keys("Escape", key)
    with pytest.raises(Exception, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<b>x</b>'")
    refused = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', error => String(error))")
    assert "TypeError" in refused
    shown.complaints = [
        text for text in shown.complaints if "Content Security Policy" not in text and "TrustedHTML" not in text
    ]


def test_nothing_in_the_code_makes_html_of_text() -> None:
    for name in build._SCRIPTS:
        code = build._asset(name)
        sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\bFunction\(|srcdoc|\.on\w+ ="
        assert not re.search(sinks, code), name
    size = sum(len(build._asset(name)) for name in build._SCRIPTS)
    assert size < 120_000
    assert len(build._asset("page.css")) < 20_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_of_accessibility(opened: Any, scheme: str) -> None:
    shown = opened([*weather(), scope("start", 2000, "o", "still open", "tool")], scheme)
    for key in ("Escape", "$", "c", "t", "?"):
        shown.keys(key)
        found = Axe().run(shown.page, options={"resultTypes": ["violations"]}).response["violations"]
        serious = [
            (fault["id"], fault["nodes"][0]["html"]) for fault in found if fault["impact"] in ("serious", "critical")
        ]
        assert serious == []


def test_a_hundred_thousand_rows(opened: Any) -> None:
    events = [scope("start", 0, "a", "agent", "agent")]
    for number in range(50_000):
        events += span(number, number + 1, f"t{number}", "look", "tool", "a", data={"n": number})
    shown = opened([*events, scope("end", 50_001, "a", "agent", "agent")])
    assert shown.page.locator("#tree").get_attribute("aria-rowcount") == "50001"
    assert shown.page.locator(".row").count() < 100
    shown.page.locator(".row[tabindex='0']").focus()
    shown.keys("End")
    shown.page.locator("#body >> text=49999").wait_for()
    for _ in range(3):
        shown.keys("PageUp", "ArrowUp")
    assert shown.page.evaluate("document.activeElement.getAttribute('role')") == "row"
    shown.page.locator("#tree").evaluate("box => { box.scrollTop = 0; }")
    shown.page.wait_for_timeout(100)
    assert shown.page.evaluate("document.activeElement.getAttribute('role')") == "row"


def test_deep_and_huge_values(opened: Any) -> None:
    deep: Any = "bottom"
    for _ in range(400):
        deep = {"inner": [deep]}
    levels = [scope("start", n, f"s{n}", "level", "function", f"s{n - 1}" if n else None) for n in range(3000)]
    huge = span(5000, 5001, "t", "huge", "tool", "s0", data={"text": "x" * 3_000_000, "deep": deep})
    shown = opened([*levels, *huge], fragment="#t/raw")
    shown.page.locator("#body button >> nth=0").click()
    shown.page.locator("#body >> text=bottom").first.wait_for(state="attached")
    shown.page.evaluate("location.hash = '#s2999'")
    shown.page.locator(".row[aria-level='3000']").wait_for()


def test_saved_events_are_those_of_the_file(opened: Any, tmp_path: Path) -> None:
    events = [*conversation(6), {**mark(7, "odd", "a"), "data": {"$m": 1, "list": [{"$m": 2}], "text": "y" * 300}}]
    shown = opened(events)
    with shown.page.expect_download() as download:
        shown.page.locator("#save").click()
    saved = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert saved == events


def test_the_same_events_give_the_same_bytes_without_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"
    file = tmp_path / "events.jsonl"
    events = [scope("start", 0, "a", f"key {secret}", "agent"), *span(1, 2, "t", "t", "tool", "a", data={"q": secret})]
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    first, again = tmp_path / "1.html", tmp_path / "2.html"
    assert main(["page", str(file), "-o", str(first)]) == 0
    assert re.search(r"2 rows, .* MB, [23] values redacted", capsys.readouterr().out)
    write_page(open_index(file), again)
    assert first.read_bytes() == again.read_bytes()
    assert not [block for block in _texts(first) if secret in block]
    write_page(open_index(file), again, redact=False)
    assert [block for block in _texts(again) if secret in block]


def _texts(page: Path) -> list[str]:
    import base64
    import zlib

    text = page.read_text()
    blocks = re.findall(r'data-kind="\w+">([^<]*)<', text)
    return [text, *(zlib.decompress(base64.b64decode(block)).decode() for block in blocks)]


def test_what_is_too_large_or_empty_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("")
    with pytest.raises(ValueError, match="no events"):
        write_page(open_index(file), tmp_path / "run.html")
    file.write_text("".join(json.dumps(event) + "\n" for event in conversation(20)))
    monkeypatch.setattr(build, "MOST", 10_000)
    with pytest.raises(build.PageTooLarge, match="--only"):
        write_page(open_index(file), tmp_path / "run.html")
    assert list(tmp_path.glob("*.html")) == []


def test_one_span_and_no_content(tmp_path: Path, opened: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shown = opened(weather(), content=False)
    shown.page.locator("text=without content").wait_for()
    file = tmp_path / "events.jsonl"
    assert main(["page", str(file), "-o", str(tmp_path / "one.html"), "--only", "#t1"]) == 0
    assert "3 rows" in capsys.readouterr().out
    assert main(["page", str(file), "-o", str(tmp_path / "one.html"), "--only", "#t"]) == 2
    assert "beginning of 2 uuids" in capsys.readouterr().err


def test_each_message_is_stored_once() -> None:
    store = Store()
    messages = [{"role": "user", "content": f"message {n} " * 20} for n in range(40)]
    for length in range(1, 41):
        shared = store.shared({"data": {"content": {"messages": messages[:length]}}})
        assert len(shared["data"]["content"]["messages"]) == length
    assert store.blocks.count == 40


def test_the_rows_are_there_without_a_script(tmp_path: Path, browser: Browser) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in weather()))
    made = write_page(open_index(file), tmp_path / "run.html")
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(made.path.as_uri())
    assert "get_weather" in page.locator("#static").inner_text()
    context.close()


def test_usage_is_in_the_cost_table(opened: Any) -> None:
    events = [scope("start", 0, "a", "one", "agent"), *span(1, 2, "l", "m", "llm", "a", ending=usage(1200, 30))]
    shown = opened(events)
    shown.page.get_by_role("tab", name="Cost").click()
    table = shown.page.locator("#cost table").first.inner_text()
    assert re.search(r"one\s+1\s+1,200\s+0\s+0\s+30\s+\u2013", table)
