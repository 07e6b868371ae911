# SPDX-License-Identifier: Apache-2.0
"""Does a run have the tree it should have? If not, where not."""

from __future__ import annotations

from collections.abc import Iterable

from nemo_relay_projections.expectations.diff import differences
from nemo_relay_projections.expectations.matching import Matcher
from nemo_relay_projections.expectations.spec import parse
from nemo_relay_projections.nodes import Forest, Node
from nemo_relay_projections.tree import Eventlike, build


def expect_tree(events: Iterable[Eventlike] | Forest, spec: str) -> None:
    """Check that the events make exactly the tree that the text draws.

    A line is `category:name`, or `<name>` for a mark, indented below its parent. `*` stands for any text.
    Siblings come in the order of their start, except that consecutive lines with `~` may come in any order
    among themselves. `...` allows further siblings anywhere beside it. `x3` at the end of a line repeats it.
    Marks that no sibling line speaks of are not looked at.

    Braces hold facts: an outcome (`ok`, `error`, `tool_error`, `cancelled`, `interrupted`, ..., `open`), or
    a name that must be there (`usage`, `model`, `tool_call_id`, a flag such as `streaming`, a key of the
    metadata or of a mark's data), or `name=value`.

    Args:
        events: dicts, event objects, lines of an ATOF file, or a forest made of them.
        spec: the text.

    Raises:
        AssertionError: the tree is another one; the message shows both, `-` expected and `+` found.
        SpecError: the text cannot be understood.

    Example:
        >>> from nemo_relay import ScopeType, scope
        >>> from nemo_relay.testing import capture_events
        >>> with capture_events() as captured, scope.scope("weather", ScopeType.Agent):
        ...     with scope.scope("model", ScopeType.Function):
        ...         scope.event("thought", data={"words": 7})
        >>> expect_tree(captured.events, '''
        ...     agent:weather {ok}
        ...       function:model
        ...         <thought> {words=7}
        ... ''')
    """
    forest = events if isinstance(events, Forest) else build(events)
    found, expected, matcher = Node("", children=forest.roots, marks=forest.marks), parse(spec), Matcher()
    if not matcher.level(expected, found):
        lines = "\n".join(differences(matcher, expected, found))
        raise AssertionError(f"the events make another tree (- expected, + found):\n{lines}")
