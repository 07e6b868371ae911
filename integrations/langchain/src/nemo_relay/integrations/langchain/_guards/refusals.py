# SPDX-License-Identifier: Apache-2.0
"""A guardrail refused a call: remembered, so that nobody can retry it into a yes; and told to whoever listens."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any
from weakref import WeakSet

from langchain_core.messages import AIMessage

from nemo_relay import scope
from nemo_relay.errors import GuardrailRejected
from nemo_relay.integrations.langchain._alignment import text_of
from nemo_relay.integrations.langchain._runs.table import Handle

Key = tuple[int, str, str, str]

_KEPT = 4_096
# What was said, and no exception: one that was raised holds the frames it passed, and with them a whole run.
_known: OrderedDict[Key, tuple[str, dict[str, str]]] = OrderedDict()
_announced: WeakSet[GuardrailRejected] = WeakSet()


def key_of(run: int, name: str, tool_call_id: str | None, args: Any) -> Key | None:
    """What identifies one call that a model asked for; None where it cannot be told from others.

    The run is that of the node that executes the call: a retry happens inside it, a resumption after a human's
    answer does not.
    """
    return (run, name, tool_call_id, text_of(args)) if tool_call_id and run else None


def recall(key: Key | None) -> GuardrailRejected | None:
    """The refusal of this very call, if it was refused already."""
    known = _known.get(key) if key is not None else None
    if known is None:
        return None
    reason, about = known
    refusal = GuardrailRejected(reason, **about)
    _announced.add(refusal)
    return refusal


def remember(key: Key | None, refusal: GuardrailRejected) -> None:
    """Keep the refusal for whoever tries again."""
    if key is None:
        return
    _known[key] = refusal.reason, {name: getattr(refusal, name) for name in ("guardrail", "target", "kind")}
    while len(_known) > _KEPT:
        _known.popitem(last=False)


def announce(refusal: GuardrailRejected, parent: Handle | None, tool_call_id: str | None, args: Any) -> None:
    """The mark ``tool.rejected`` (or ``llm.rejected``) where the call would have been; once for each refusal."""
    if refusal in _announced:
        return
    _announced.add(refusal)
    data: dict[str, Any] = {"reason": refusal.reason, "guardrail": refusal.guardrail, "name": refusal.target}
    if refusal.kind == "tool":
        data.update(tool_call_id=tool_call_id, args=args)
    scope.event(f"{refusal.kind}.rejected", handle=parent, data=data)


def message(refusal: GuardrailRejected) -> AIMessage:
    """A refusal of a model call as an answer."""
    about = {"finish_reason": "content_filter", "relay.guardrail": refusal.guardrail}
    return AIMessage(content=str(refusal.reason), response_metadata=about)
