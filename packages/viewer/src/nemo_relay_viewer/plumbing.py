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
    if node.category != "function" or node.status in ("error", "open"):
        return False
    if node.metadata.get("relay.kind") in _KINDS:
        return True
    return "relay.kind" not in node.metadata and _NAMES.fullmatch(node.name) is not None


def is_plumbing_mark(mark: Mark) -> bool:
    """Whether the mark may be left out."""
    return _MARKS.fullmatch(mark.name) is not None
