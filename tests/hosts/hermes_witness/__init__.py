# SPDX-License-Identifier: Apache-2.0
"""A hermes plugin that writes down every hook it is told of, one JSON line each.

It stands beside hermes' own Relay plugin and knows nothing of Relay: what it writes is what Relay's events
are held against.
"""

import functools
import json
import os
import threading
from typing import Any

HOOKS = (
    "on_session_start",
    "on_session_end",
    "on_session_finalize",
    "pre_llm_call",
    "post_llm_call",
    "pre_api_request",
    "post_api_request",
    "api_request_error",
    "pre_tool_call",
    "post_tool_call",
    "subagent_start",
    "subagent_stop",
)
_lock = threading.Lock()


def _write(hook: str, **told: Any) -> None:
    line = json.dumps({"hook": hook, **told}, default=repr)
    with _lock, open(os.environ["WITNESS_FILE"], "a", encoding="utf-8") as file:
        file.write(line + "\n")


def register(ctx: Any) -> None:
    for hook in HOOKS:
        ctx.register_hook(hook, functools.partial(_write, hook))
