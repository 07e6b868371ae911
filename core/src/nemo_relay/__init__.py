# SPDX-License-Identifier: Apache-2.0
"""NeMo Relay for Python: see and control what happens inside agent runs.

``scope`` gives work an owner and a parent, ``tools`` and ``llm`` run calls through ``guardrails`` and ``intercepts``,
and everything that happens is one stream of events that ``subscribers`` and exporters hear.
"""

from __future__ import annotations

import os as _os
from pkgutil import extend_path as _extend_path
from typing import TYPE_CHECKING, Any

# Adapters are distributions of their own that add `nemo_relay.integrations.<framework>` to this package.
__path__ = _extend_path(__path__, __name__)

from nemo_relay._version import __version__ as __version__
from nemo_relay_codecs import __version__ as _codecs_version

if _codecs_version != __version__:
    from nemo_relay.errors import MixedInstallation

    raise MixedInstallation("nemo-relay-codecs", _codecs_version, __version__)

from nemo_relay._runtime import adapters as _missing_adapters
from nemo_relay._runtime.emission.marks import PendingMarkSpec
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
from nemo_relay._runtime.events.events import MarkEvent, ScopeEvent
from nemo_relay._runtime.exports import claim as _claim
from nemo_relay._runtime.log import oplog as _oplog
from nemo_relay._runtime.managed.codec_context import (
    LlmCodecIdentity,
    LlmExecutionContext,
    LlmRequestContext,
    LlmResponseContext,
    LlmSanitizeRequestCodec,
    LlmSanitizeRequestContext,
    LlmSanitizeResponseCodec,
    LlmSanitizeResponseContext,
)
from nemo_relay._runtime.managed.results import (
    LLMRequestInterceptOutcome,
    ToolExecutionContext,
    ToolExecutionInterceptOutcome,
    ToolExecutionResult,
)
from nemo_relay._runtime.tree.context import stack_var as _scope_stack_var  # noqa: F401 - programs replace it here
from nemo_relay._runtime.tree.propagation import PropagationContext
from nemo_relay._runtime.tree.spans import LLMHandle, ScopeHandle, ScopeStack, ToolHandle
from nemo_relay._runtime.tree.stacks import (
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
from nemo_relay._version import __version__ as __version__
from nemo_relay.errors import *  # noqa: F403 - beside the published names, for programs that catch them
from nemo_relay_codecs.request import LLMRequest

from nemo_relay import (  # isort: skip
    errors as errors,
    scope,
    subscribers,
)

_missing_adapters.install()
_oplog.start()  # a setting of the log that is wrong stops the import here

if TYPE_CHECKING:
    from nemo_relay import codecs as codecs
    from nemo_relay import event_metadata as event_metadata
    from nemo_relay import guardrails as guardrails
    from nemo_relay import intercepts as intercepts
    from nemo_relay import llm as llm
    from nemo_relay import model_pricing as model_pricing
    from nemo_relay import observability as observability
    from nemo_relay import pii_redaction as pii_redaction
    from nemo_relay import plugin as plugin
    from nemo_relay import resource_metrics as resource_metrics
    from nemo_relay import runtime_registrations as runtime_registrations
    from nemo_relay import scope_local as scope_local
    from nemo_relay import tools as tools
    from nemo_relay import typed as typed
    from nemo_relay._runtime.emission.metrics import MetricMeasurement as MetricMeasurement
    from nemo_relay._runtime.tree.snapshots import ScopeStackEntry as ScopeStackEntry
    from nemo_relay._runtime.tree.snapshots import ScopeStackSnapshot as ScopeStackSnapshot
    from nemo_relay._runtime.tree.snapshots import current_scope_stack_snapshot as current_scope_stack_snapshot
    from nemo_relay.atif import AtifExporter as AtifExporter
    from nemo_relay.atof import AtofExporter as AtofExporter
    from nemo_relay.atof import AtofExporterConfig as AtofExporterConfig
    from nemo_relay.logs import debug as debug
    from nemo_relay.logs import error as error
    from nemo_relay.logs import info as info
    from nemo_relay.logs import log as log
    from nemo_relay.logs import trace as trace
    from nemo_relay.logs import warn as warn
    from nemo_relay.plugin import autoload as autoload
    from nemo_relay.types import (
        ApplicationExecutionContext as ApplicationExecutionContext,
    )
    from nemo_relay.types import (
        DataSchema,
        Event,
        EventMetadata,
        EventMetadataInjectorCallback,
        EventMetadataScalar,
        EventMetadataValue,
        EventSanitizeFields,
        EventSanitizeGuardrail,
        Json,
        JsonObject,
        JsonPrimitive,
        JsonValue,
        LlmConditionalExecutionGuardrail,
        LlmExecutionIntercept,
        LlmRequestIntercept,
        LlmSanitizeRequestGuardrail,
        LlmSanitizeResponseGuardrail,
        LlmStreamExecutionIntercept,
        ToolConditionalExecutionGuardrail,
        ToolExecutionIntercept,
        ToolRequestIntercept,
        ToolSanitizeGuardrail,
        UnsupportedBehavior,
    )
    from nemo_relay.types import (
        LlmApplicationExecutionContext as LlmApplicationExecutionContext,
    )
    from nemo_relay_codecs.model.request import AnnotatedLLMRequest as AnnotatedLLMRequest
    from nemo_relay_codecs.model.response import AnnotatedLLMResponse as AnnotatedLLMResponse

# Loaded when first asked for, so that `import nemo_relay` stays quick; and so are the names of `nemo_relay.types`.
_LAZY = {
    "AnnotatedLLMRequest": "nemo_relay_codecs.model.request",
    "AnnotatedLLMResponse": "nemo_relay_codecs.model.response",
    "ApplicationExecutionContext": "nemo_relay.types",
    "LlmApplicationExecutionContext": "nemo_relay.types",
    "AtofExporter": "nemo_relay.atof",
    "AtofExporterConfig": "nemo_relay.atof",
    "AtifExporter": "nemo_relay.atif",
    "MetricMeasurement": "nemo_relay._runtime.emission.metrics",
    "ScopeStackEntry": "nemo_relay._runtime.tree.snapshots",
    "ScopeStackSnapshot": "nemo_relay._runtime.tree.snapshots",
    "autoload": "nemo_relay.plugin",
    "codecs": "nemo_relay.codecs",
    "current_scope_stack_snapshot": "nemo_relay._runtime.tree.snapshots",
    "debug": "nemo_relay.logs",
    "error": "nemo_relay.logs",
    "event_metadata": "nemo_relay.event_metadata",
    "guardrails": "nemo_relay.guardrails",
    "info": "nemo_relay.logs",
    "intercepts": "nemo_relay.intercepts",
    "llm": "nemo_relay.llm",
    "log": "nemo_relay.logs",
    "model_pricing": "nemo_relay.model_pricing",
    "observability": "nemo_relay.observability",
    "plugin": "nemo_relay.plugin",
    "pii_redaction": "nemo_relay.pii_redaction",
    "resource_metrics": "nemo_relay.resource_metrics",
    "runtime_registrations": "nemo_relay.runtime_registrations",
    "scope_local": "nemo_relay.scope_local",
    "tools": "nemo_relay.tools",
    "trace": "nemo_relay.logs",
    "typed": "nemo_relay.typed",
    "types": "nemo_relay.types",
    "warn": "nemo_relay.logs",
}

# Published names that are at home in the distribution `nemo-relay-otel`.
_OTEL = frozenset(
    f"OpenTelemetry{name}"
    for name in (
        "Config FileSinkConfig LogConfig LogSubscriber MetricConfig MetricSubscriber RuntimeDiagnostic"
        " RuntimeDiagnostics Subscriber"
    ).split()
)

# The published names, as far as there is something behind them.
__all__ = [
    "AnnotatedLLMRequest",
    "AnnotatedLLMResponse",
    "AtifExporter",
    "AtofExporter",
    "AtofExporterConfig",
    "AtofExporterMode",
    "DataSchema",
    "Event",
    "EventMetadata",
    "EventMetadataInjectorCallback",
    "EventMetadataScalar",
    "EventMetadataValue",
    "EventSanitizeFields",
    "EventSanitizeGuardrail",
    "Json",
    "JsonObject",
    "JsonPrimitive",
    "JsonValue",
    "LLMAttributes",
    "LLMHandle",
    "LLMRequest",
    "LLMRequestInterceptOutcome",
    "LlmCodecIdentity",
    "LlmConditionalExecutionGuardrail",
    "LlmExecutionContext",
    "LlmExecutionIntercept",
    "LlmRequestContext",
    "LlmRequestIntercept",
    "LlmResponseContext",
    "LlmSanitizeRequestCodec",
    "LlmSanitizeRequestContext",
    "LlmSanitizeRequestGuardrail",
    "LlmSanitizeResponseCodec",
    "LlmSanitizeResponseContext",
    "LlmSanitizeResponseGuardrail",
    "LlmStreamExecutionIntercept",
    "LogSeverity",
    "MarkEvent",
    "MetricKind",
    "MetricMeasurement",
    "MetricTemporality",
    "MetricValueType",
    "PendingMarkSpec",
    "PropagationContext",
    "ScopeAttributes",
    "ScopeEvent",
    "ScopeHandle",
    "ScopeStack",
    "ScopeType",
    "ToolAttributes",
    "ToolConditionalExecutionGuardrail",
    "ToolExecutionContext",
    "ToolExecutionIntercept",
    "ToolExecutionInterceptOutcome",
    "ToolExecutionResult",
    "ToolHandle",
    "ToolRequestIntercept",
    "ToolSanitizeGuardrail",
    "UnsupportedBehavior",
    "capture_propagation_context",
    "capture_propagation_context_with_root",
    "capture_rootless_propagation_context",
    "capture_traceparent",
    "codecs",
    "create_scope_stack",
    "create_scope_stack_from_propagation",
    "event_metadata",
    "fork_asyncio_context",
    "get_scope_stack",
    "guardrails",
    "intercepts",
    "llm",
    "model_pricing",
    "observability",
    "pii_redaction",
    "plugin",
    "propagate_scope_to_thread",
    "resource_metrics",
    "runtime_registrations",
    "scope",
    "scope_local",
    "scope_stack_active",
    "set_thread_scope_stack",
    "subscribers",
    "tools",
    "typed",
    "use_scope_stack",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _OTEL:
        return _from_otel(name)
    home = _LAZY.get(name) or ("nemo_relay.types" if name in __all__ else None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = import_module(home)
    if home != f"{__name__}.{name}":
        value = getattr(value, name)
        if "._" in home:  # from a room: it is this module's to users
            value.__module__ = __name__
        _adopt(name, value)
    globals()[name] = value
    return value


def _from_otel(name: str) -> Any:
    from importlib import import_module

    try:
        home = import_module("nemo_relay_otel")
    except ModuleNotFoundError as error:
        if error.name != "nemo_relay_otel":
            raise
        raise errors.MissingExtra(f"nemo_relay.{name}", "nemo_relay_otel", "otel") from None
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *__all__})


def _adopt(name: str, value: Any) -> None:
    """Let a class that is exported here say so in tracebacks, reprs and pickles, wherever else it is exported."""
    if name in __all__ and isinstance(value, type):
        value.__module__ = __name__


for _name in __all__:
    if _name in globals():
        _adopt(_name, globals()[_name])
del _name
_claim(globals())

if _os.environ.get("NEMO_RELAY_PLUGINS"):  # the one thing that makes an import do something
    from nemo_relay._plugins.autoload import at_import as _at_import

    _at_import()
