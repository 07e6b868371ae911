# SPDX-License-Identifier: Apache-2.0
"""What the picture of a run shows, at which width, with which signs."""

import io
import textwrap
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from nemo_relay_viewer import render

from .streams import Event, mark, scope, span, usage, weather


def picture(events: Any, width: int = 100, *, encoding: str = "utf-8", **options: Any) -> str:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    everything = options.pop("everything", False)
    render(events, Console(file=out, width=width, **options), everything=everything)
    out.seek(0)
    return out.read()


def rows(events: Any, width: int = 100, **options: Any) -> list[str]:
    return picture(events, width, **options).splitlines()


def test_the_whole_picture() -> None:
    expected = """\
        ◆ agent weather                              ━━━━━━━━━━━━━━━━━━━━━━━━  1.00 s              ✓
        ├─ ○ node model                              ━━━━━━━━━━                400 ms              ✓
        │  └─ ● llm openai · gpt-x                   ─━━━━━━━━                 380 ms  1,200 → 30  ✓
        ├─ ■ tool get_weather(city="Paris", days=3)              ━━━━━━━━━━    400 ms              ✗ error
        │  │  TimeoutError: the station did not answer
        │  └─ · retry x2
        └─ ■ tool get_time(city="Paris")                           ━━━         100 ms              ✓
        1.00 s · 1 LLM call · 1,230 tokens · 2 tool calls, 1 failed
    """
    expected = textwrap.dedent(expected)
    assert picture(weather(), 98) == expected


def test_everything_shows_the_plumbing_too() -> None:
    shown = picture(weather(), everything=True)
    for name in ("router model:route", "graph.route", "llm.first_token"):
        assert name in shown
        assert name not in picture(weather())
    assert shown.count("· retry\n") == 2


def test_plumbing_that_failed_is_shown() -> None:
    failed = {
        "relay.kind": "router",
        "otel.status_code": "ERROR",
        "otel.status_description": "KeyError: 'next'",
    }
    events = [*weather(), *span(450, 460, "r2", "choose", "function", "a", metadata=failed)]
    assert "router choose" in picture(events)
    assert "KeyError: 'next'" in picture(events)


@pytest.mark.parametrize("name", ["RunnableSequence", "ChannelWrite<a,b>", "ChatPromptTemplate", "StrOutputParser"])
def test_plumbing_of_adapters_that_say_no_kind(name: str) -> None:
    inner = [*span(450, 480, "p", name, "function", "a"), *span(455, 470, "t3", "inner", "tool", "p")]
    shown = picture([*weather(), *inner])
    assert name not in shown
    assert "├─ ■ tool inner" in shown  # takes the place of what was left out
    assert name in picture(inner)  # but a root is always shown


@pytest.mark.parametrize("width", [24, 32, 40, 60, 80, 100, 160])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = rows(weather(), width)
    assert max(map(cell_len, lines)) <= width
    assert [line for line in lines if "✗ error" in line]
    assert any("weather" in line for line in lines)


def test_columns_give_way_on_a_narrow_terminal() -> None:
    wide, middle, narrow = (picture(weather(), width) for width in (120, 60, 36))
    assert "━" in wide
    assert "━" not in middle
    assert "1,200 → 30" in middle
    assert "1,200 → 30" not in narrow
    assert "400 ms" in middle


def test_not_a_terminal_means_plain_text() -> None:
    assert "\x1b" not in picture(weather())


def test_a_terminal_gets_colours_and_no_color_takes_them_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in picture(weather(), force_terminal=True, color_system="standard")

    from nemo_relay_viewer.show import default_console

    monkeypatch.setenv("FORCE_COLOR", "1")
    assert default_console().color_system is not None
    monkeypatch.setenv("NO_COLOR", "1")
    assert default_console().color_system is None


def test_a_console_without_unicode_gets_ascii() -> None:
    shown = picture(weather(), encoding="ascii")
    assert shown.isascii()
    assert "|- # tool get_weather" in shown
    assert "!! error" in shown
    assert "===" in shown


def test_open_and_cancelled_spans() -> None:
    events = weather()[:-1]
    stopped = {"relay.outcome": "cancelled", "reason": "consumer_closed"}
    events += span(700, 750, "t4", "slow", "tool", "a", ending={}, metadata=stopped)
    shown = rows(events)
    assert shown[0].endswith("… open")
    assert next(row for row in shown if "tool slow" in row).endswith("⊘ cancelled")


def test_an_end_without_start_and_a_mark_without_parent() -> None:
    events: list[Event] = [scope("end", 5, "x", "late", "tool"), mark(6, "stray", "nobody")]
    shown = picture(events)
    assert "■ tool late" in shown
    assert "· stray" in shown


def test_several_runs_stand_apart() -> None:
    second = [{**event, "uuid": f"b{event['uuid']}", "parent_uuid": None} for event in weather()[:1]]
    assert "\n\n◆ agent weather" in picture([*weather(), *second])


def test_no_events() -> None:
    assert picture([]) == "no events\n"


def test_unreadable_lines_are_told() -> None:
    assert rows(['{"kind": "sc', "x"])[-1] == "2 lines could not be read: 1, 2"
    assert rows(["?"] * 7)[-1].endswith("1, 2, 3, 4, 5…")


def test_control_characters_do_not_reach_the_terminal() -> None:
    evil = "x\x1b]0;title\x07\ny"
    error = {"otel.status_code": "ERROR", "otel.status_description": evil}
    events = [
        *span(0, 9, "t", evil, "tool", "a", data={"arg": evil}, metadata=error),
        *span(1, 2, "l", "p", "llm", "t", ending={"category_profile": {"model_name": evil}}),
        mark(3, evil, "t"),
    ]
    shown = picture(events, force_terminal=True, color_system=None, everything=True)
    assert "\x1b]" not in shown
    assert "\x07" not in shown
    assert len(shown.splitlines()) == 5


def test_markup_in_names_is_text() -> None:
    assert "[bold]x[/bold]" in picture(span(0, 1, "t", "[bold]x[/bold]", "tool", "a"))


def test_tokens_of_parallel_models_are_summed() -> None:
    events = weather()[:-1] + span(450, 600, "l2", "openai", "llm", "a", ending=usage(10, 5))
    assert "2 LLM calls · 1,245 tokens" in picture(events)
