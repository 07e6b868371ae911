# SPDX-License-Identifier: Apache-2.0
"""NeMo Relay for Python: see and control what happens inside agent runs.

``scope`` gives work an owner and a parent, ``tools`` and ``llm`` run calls through ``guardrails`` and ``intercepts``,
and everything that happens is one stream of events that ``subscribers`` and exporters hear.
"""

from __future__ import annotations

from pkgutil import extend_path as _extend_path
from typing import TYPE_CHECKING, Any

# Adapters are distributions of their own that add `nemo_relay.integrations.<framework>` to this package.
__path__ = _extend_path(__path__, __name__)

from nemo_relay._runtime.context import stack_var as _scope_stack_var
from nemo_relay._runtime.enums import (
    AtofExporterMode,
    LLMAttributes,
    LogSeverity,
    MetricKind,
    MetricTemporality,
    MetricValueType,
    ScopeAttributes,
    ScopeType,
    ToolAttributes,
)
from nemo_relay._runtime.events import MarkEvent, ScopeEvent
from nemo_relay._runtime.marks import PendingMarkSpec
from nemo_relay._runtime.metrics import MetricMeasurement
from nemo_relay._runtime.propagation import PropagationContext
from nemo_relay._runtime.requests import LLMRequest
from nemo_relay._runtime.results import (
    LLMRequestInterceptOutcome,
    ToolExecutionContext,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
)
from nemo_relay._runtime.spans import LLMHandle, ScopeHandle, ScopeStack, ToolHandle
from nemo_relay._runtime.stacks import (
    capture_propagation_context,
    capture_propagation_context_with_root,
    capture_rootless_propagation_context,
    capture_traceparent,
    create_scope_stack,
    create_scope_stack_from_propagation,
    fork_asyncio_context,
    get_scope_stack,
    propagate_scope_to_thread,
    scope_stack_active,
    set_thread_scope_stack,
    use_scope_stack,
)
from nemo_relay import (  # isort: skip
    errors,
    event_metadata,
    guardrails,
    intercepts,
    llm,
    scope,
    scope_local,
    subscribers,
    tools,
)

if TYPE_CHECKING:
    from nemo_relay import types as types
    from nemo_relay.atof import AtofExporter as AtofExporter
    from nemo_relay.atof import AtofExporterConfig as AtofExporterConfig

# Loaded when first asked for, so that `import nemo_relay` stays quick.
_LAZY = {
    "AtofExporter": "nemo_relay.atof",
    "AtofExporterConfig": "nemo_relay.atof",
    "AtifExporter": "nemo_relay.atif",
}

def __getattr__(name: str) -> Any:
    from importlib import import_module

    home = _LAZY.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = import_module(home) if home.endswith("." + name) else getattr(import_module(home), name)
    globals()[name] = value
    return value
