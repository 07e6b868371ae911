# SPDX-License-Identifier: Apache-2.0
"""The scenarios that the adapter of a framework is held against: what a program does, and its tree of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BOTH = ("sync", "async")
ALL = ("sync", "async", "sync stream", "async stream")


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    Args:
        number: its number; tests of an adapter carry it in their names.
        title: what it is about.
        play: what the program does, in words.
        modes: how it is to be run.
        tree: the events, as ``expect_tree`` takes them; ``<<name>>`` stands for a name of the program.
        once: categories of which no span may share its ``tool_call_id``.
    """

    number: int
    title: str
    play: str
    modes: tuple[str, ...]
    tree: str
    once: tuple[str, ...] = ("tool",)


def scenario(number: int) -> Scenario:
    """The scenario of that number.

    Raises:
        LookupError: there is none in this kit.
    """
    if number not in SCENARIOS:
        raise LookupError(f"scenario {number!r} is not in the kit; it has {', '.join(map(str, SCENARIOS))}")
    return SCENARIOS[number]


_AGENT = """
agent:<<A>> {ok}
    function:<<model>> {ok}
        llm:* {ok, usage}
    function:<<tools>> {ok}
        tool:<<weather>> {ok, tool_call_id=c1}
    function:<<model>> {ok}
        llm:* {ok, usage}
"""

_ALL = (
    Scenario(
        1,
        "model only",
        "Inside an application's scope 'app' a model is asked once and answers, with usage.",
        BOTH,
        "function:app\n    llm:* {ok, usage}",
    ),
    Scenario(
        4,
        "stream closed early",
        "A model streams; the consumer closes the stream after the first chunk. No scope around it.",
        BOTH,
        "llm:* {cancelled, reason=consumer_closed}",
    ),
    Scenario(
        15,
        "agent with one tool",
        "The agent A asks its model, which calls the tool weather with the call id c1, and then answers. "
        "With the observer alone, and together with what manages calls.",
        ALL,
        _AGENT,
    ),
    Scenario(
        16,
        "parallel tools with scopes of their own",
        "The model of A calls the tool work three times at once; the n-th call opens a scope user_n and leaves the "
        "mark inside_n in it while the other two are running.",
        BOTH,
        "\n".join(
            (
                "agent:<<A>> {ok}",
                "    function:<<model>>\n        llm:*",
                *(
                    f"    ~ function:<<tools>>\n        tool:<<work>> {{ok}}\n            function:user_{n} {{ok}}\n"
                    f"                <inside_{n}>"
                    for n in range(3)
                ),
                "    function:<<model>>\n        llm:*",
            )
        ),
    ),
    Scenario(
        21,
        "a guardrail rejects a tool",
        "As 15, but a conditional guardrail g refuses weather; the model reads the reason and answers.",
        BOTH,
        """
        agent:<<A>> {ok}
            function:<<model>>
                llm:*
            function:<<tools>> {ok}
                guardrail:g {rejected}
                <tool.rejected>
            function:<<model>>
                llm:*
        """,
    ),
    Scenario(
        33,
        "linear graph",
        "The graph G runs the nodes a and b, one after the other.",
        BOTH,
        """
        agent:<<G>> {ok}
            function:<<a>> {ok}
            function:<<b>> {ok}
        """,
        (),
    ),
    Scenario(
        35,
        "interrupt and resume",
        "The graph G runs pre, then ask, which waits for a human; it is resumed with an answer, and post follows.",
        BOTH,
        """
        agent:<<G>> {interrupted}
            function:<<pre>> {ok}
            function:<<ask>> {interrupted}
            <Graph Interrupt>
        agent:<<G>> {ok}
            <Graph Resume>
            function:<<ask>> {ok}
            function:<<post>> {ok}
        """,
        (),
    ),
)

SCENARIOS: Mapping[int, Scenario] = {found.number: found for found in _ALL}
