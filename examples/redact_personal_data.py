# SPDX-License-Identifier: Apache-2.0
"""Personal data in what observers see: masked, and the same person under the same pseudonym in every event."""

from __future__ import annotations

import asyncio
from typing import Any

from nemo_relay import LLMRequest, ScopeType, llm, plugin, scope, tools
from nemo_relay.pii_redaction import BuiltinConfig, ComponentSpec, PiiRedactionConfig, counters
from nemo_relay.testing import capture_events

FIND = BuiltinConfig(action="pseudonym", detectors=["email", "phone", "credit_card"], key="a key of this program")


async def send_mail(args: dict[str, Any]) -> dict[str, Any]:
    return {"sent_to": args["to"], "provider_saw": args["to"]}


async def main() -> None:
    with capture_events() as captured:
        async with plugin.activate({"components": [ComponentSpec(PiiRedactionConfig(builtin=FIND))]}):
            with scope.scope("support", ScopeType.Agent):
                prompt = {
                    "model": "m-1",
                    "messages": [{"role": "user", "content": "Mail jane@example.com, 415-555-0132"}],
                }
                await llm.execute("local", LLMRequest({}, prompt), lambda request: {"text": "Sure, jane@example.com"})
                result = await tools.execute("send_mail", {"to": "jane@example.com"}, send_mail)
    assert result == {"sent_to": "jane@example.com", "provider_saw": "jane@example.com"}
    for event in captured.events:
        print(event.category, event.name, event.data)
    print(sorted(counters()))


asyncio.run(main())
