# SPDX-License-Identifier: Apache-2.0
"""What a framework does for itself and nobody asks about: left out, unless something went wrong there."""

import re

from nemo_relay.tree import Mark, Node

# What an adapter says (`relay.kind`), and for streams of adapters that say nothing, the names that LangChain
# and LangGraph give to such runs.
_KINDS = frozenset({"router", "runnable", "prompt", "parser", "middleware_hook"})
_NAMES = re.compile(
    r"Runnable(Sequence|Lambda|Callable|Parallel|Assign|Passthrough|Branch)(<.*>)?"
    r"|ChannelWrite<.*>|ChannelRead|Branch<.*>|_write|__start__|Unknown"
    r"|\w*PromptTemplate|\w*OutputParser|.*:route"
)
_MARKS = re.compile(r"graph\.route|Superstep (Start|End)|Checkpoint (Save|Restore)")


def is_plumbing(node: Node) -> bool:
    """Whether the node may be left out, its children taking its place."""
    kind = node.metadata.get("relay.kind") if "relay.kind" in node.metadata else ""
    return is_plumbing_kind(node.category, node.status, kind, node.name)


def is_plumbing_kind(category: str, status: str, kind: object, name: str) -> bool:
    """The same by what is known of a span: ``kind`` is what the adapter said, empty where it said nothing."""
    if category != "function" or status in ("error", "open"):
        return False
    return kind in _KINDS or (kind == "" and _NAMES.fullmatch(name) is not None)


def is_plumbing_mark(mark: Mark) -> bool:
    """Whether the mark may be left out."""
    return is_plumbing_mark_name(mark.name)


def is_plumbing_mark_name(name: str) -> bool:
    """The same by its name."""
    return _MARKS.fullmatch(name) is not None
