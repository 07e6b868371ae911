# SPDX-License-Identifier: Apache-2.0
"""A model provider on loopback that answers from a script, over the wire formats of real providers."""

from .exchange import RecordedRequest
from .replies import Answer, Failure, Reply, ToolCall, Usage
from .script import Script, ScriptExhausted
from .server import ScriptedProvider

__all__ = [
    "Answer",
    "Failure",
    "RecordedRequest",
    "Reply",
    "Script",
    "ScriptExhausted",
    "ScriptedProvider",
    "ToolCall",
    "Usage",
]
