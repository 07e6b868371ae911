# SPDX-License-Identifier: Apache-2.0
"""The public surface: the published names, which of them are still missing, and where they say they live."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import pickle
import pkgutil
import subprocess
import sys
import types
from typing import Any

import pytest

import nemo_relay
from nemo_relay import ScopeType, ToolExecutionResult, _native, errors, llm, plugin, scope, tree, typed, utils

SUBMODULES = (
    "scope tools llm guardrails event_metadata intercepts subscribers scope_local codecs typed plugin"
    " runtime_registrations adaptive observability pii_redaction model_pricing resource_metrics".split()
)
PUBLISHED = {
    *SUBMODULES,
    *"""
    ScopeStack PropagationContext create_scope_stack capture_propagation_context capture_rootless_propagation_context
    capture_propagation_context_with_root capture_traceparent create_scope_stack_from_propagation fork_asyncio_context
    get_scope_stack scope_stack_active propagate_scope_to_thread set_thread_scope_stack use_scope_stack
    ScopeAttributes ToolAttributes LLMAttributes LogSeverity MetricKind MetricValueType MetricMeasurement
    MetricTemporality DataSchema ScopeType ScopeEvent MarkEvent ScopeHandle ToolHandle ToolExecutionResult
    ToolExecutionContext ToolExecutionInterceptOutcome LLMHandle LLMRequest LLMRequestInterceptOutcome PendingMarkSpec
    Event AnnotatedLLMRequest AnnotatedLLMResponse
    AtifExporter AtofStreamSinkConfig AtofExporterMode AtofExporterConfig AtofExporter OpenTelemetryConfig
    OpenTelemetryFileSinkConfig OpenTelemetrySubscriber OpenTelemetryRuntimeDiagnostic OpenTelemetryRuntimeDiagnostics
    OpenTelemetryLogConfig OpenTelemetryLogSubscriber OpenTelemetryMetricConfig OpenTelemetryMetricSubscriber
    JsonPrimitive JsonValue JsonObject Json UnsupportedBehavior EventSanitizeFields EventSanitizeGuardrail
    EventMetadataScalar EventMetadataValue EventMetadata EventMetadataInjectorCallback ToolSanitizeGuardrail
    ToolConditionalExecutionGuardrail LlmSanitizeRequestGuardrail LlmSanitizeResponseGuardrail LlmCodecIdentity
    LlmExecutionContext LlmRequestContext LlmResponseContext LlmSanitizeRequestContext LlmSanitizeResponseContext
    LlmSanitizeRequestCodec LlmSanitizeResponseCodec LlmConditionalExecutionGuardrail ToolRequestIntercept
    ToolExecutionIntercept LlmRequestIntercept LlmExecutionIntercept LlmStreamExecutionIntercept
    """.split(),
}
# What nothing stands behind yet. A name leaves this set when it comes; the list only gets shorter.
MISSING = {"AtofStreamSinkConfig", "adaptive"}
# What nemo-relay-otel brings: reached by the name, and not in `__all__`, so that `import *` needs no extra.
OF_OTEL = {name for name in PUBLISHED if name.startswith("OpenTelemetry")}


def test_the_published_names_are_there_but_for_those_still_missing() -> None:
    assert len(PUBLISHED) == 98
    assert set(nemo_relay.__all__) == PUBLISHED - MISSING - OF_OTEL
    assert list(nemo_relay.__all__) == sorted(set(nemo_relay.__all__))
    for name in nemo_relay.__all__:
        assert getattr(nemo_relay, name) is not None
    for name in MISSING:
        assert not hasattr(nemo_relay, name)


@pytest.mark.parametrize("name", sorted(OF_OTEL))
def test_the_published_names_of_opentelemetry_come_with_their_distribution(name: str) -> None:
    otel = pytest.importorskip("nemo_relay_otel", reason="nemo-relay-otel is not installed")
    assert getattr(nemo_relay, name) is getattr(otel, name)


def test_there_is_no_module_called_runtime() -> None:
    assert not hasattr(nemo_relay, "runtime")
    with pytest.raises(AttributeError, match="module 'nemo_relay' has no attribute 'nothing'"):
        nemo_relay.nothing  # noqa: B018


@pytest.mark.parametrize("name", [name for name in SUBMODULES if name not in MISSING])
def test_submodules_are_there_right_after_the_import(name: str) -> None:
    code = f"import nemo_relay, types; assert isinstance(nemo_relay.{name}, types.ModuleType); dir(nemo_relay)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_exported_classes_say_where_they_are_exported() -> None:
    for name in nemo_relay.__all__:
        value = getattr(nemo_relay, name)
        if inspect.isclass(value) and not isinstance(value, types.GenericAlias):
            assert value.__module__ == "nemo_relay", name
    assert repr(nemo_relay.ToolHandle) == "<class 'nemo_relay.ToolHandle'>"


PUBLIC_MODULES = [
    name.name
    for name in pkgutil.walk_packages(nemo_relay.__path__, "nemo_relay.")
    if not any(part.startswith("_") for part in name.name.split(".")) and ".integrations" not in name.name
]


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_what_a_module_offers_says_a_public_path_and_can_be_found_there(name: str) -> None:
    module = importlib.import_module(name)
    for member in (*getattr(module, "__all__", ()), "LlmStream", "SyncLlmStream"):
        value = getattr(module, member, None)
        home = getattr(value, "__module__", "")
        if isinstance(getattr(value, "__qualname__", None), str) and home.startswith("nemo_relay"):
            assert "._" not in home, f"{name}.{member} says that it lives in {home}"
            assert getattr(importlib.import_module(home), member) is value, "a pickle names that path"


@pytest.mark.parametrize(
    "value",
    [
        nemo_relay.use_scope_stack,
        nemo_relay.get_scope_stack,
        nemo_relay.ToolExecutionResult,
        typed.DataclassCodec,
        plugin.ConfigDiagnostic,
        tree.build,
        llm.LlmStream,
        nemo_relay.LLMRequest,
        ToolExecutionResult({"a": 1}, "note"),
        nemo_relay.GuardrailRejected("no", guardrail="g"),
    ],
)
def test_pickles_of_what_is_public(value: Any) -> None:
    text = pickle.dumps(value)
    assert b"._" not in text, "no private path"
    again = pickle.loads(text)
    assert again is value or repr(again) == repr(value)


def test_the_errors_and_the_version_are_at_the_top() -> None:
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, errors.RelayError):
            assert getattr(nemo_relay, name) is value
    assert nemo_relay.__version__ == importlib.metadata.version("nemo-relay")


@pytest.mark.parametrize("home", "guardrails intercepts event_metadata scope_local subscribers tools scope".split())
def test_functions_tell_their_arguments(home: str) -> None:
    module = getattr(nemo_relay, home)
    for name in module.__all__:
        function = getattr(module, name)
        if inspect.isfunction(function) and len(inspect.signature(function).parameters) > 1:
            told = inspect.getdoc(function) or ""
            assert "Args:" in told, name
            assert "Returns:" in told or inspect.signature(function).return_annotation == "None", name


# C2: what the published modules offer besides their functions.
BORROWED = {
    "guardrails": "EventSanitizeGuardrail LlmConditionalExecutionGuardrail LlmSanitizeRequestGuardrail"
    " LlmSanitizeResponseGuardrail ToolConditionalExecutionGuardrail ToolSanitizeGuardrail",
    "intercepts": "LlmExecutionIntercept LlmRequestIntercept LlmStreamExecutionIntercept ToolExecutionIntercept"
    " ToolRequestIntercept",
    "event_metadata": "EventMetadataInjectorCallback",
    "plugin": "ConditionalMiddlewareGuardrail RuntimeRegistrationKind UnsupportedBehavior Json JsonObject",
    "scope": "DataSchema Json LogSeverity MetricMeasurement ScopeAttributes ScopeHandle ScopeType",
    "tools": "Json ScopeHandle ToolAttributes ToolExecutionResult ToolHandle",
    "llm": "Json LLMAttributes LLMHandle LLMRequest LLMRequestInterceptOutcome LlmStream ScopeHandle",
    "typed": "Json LLMAttributes LLMRequest LlmCodec LlmResponseCodec LlmStream ScopeHandle ToolAttributes"
    " ToolExecutionResult",
}
for _home in ("scope_local", "plugin"):
    _given = " ".join(BORROWED[home] for home in ("guardrails", "intercepts", "event_metadata"))
    BORROWED[_home] = f"{BORROWED.get(_home, 'ScopeHandle')} {_given}"


@pytest.mark.parametrize("home", sorted(BORROWED))
def test_c2_type_aliases_where_published_programs_import_them_from(home: str) -> None:
    code = f"from nemo_relay.{home} import {', '.join(BORROWED[home].split())}"
    exec(code, {})
    with pytest.raises(AttributeError, match=f"module 'nemo_relay.{home}' has no attribute 'Nothing'"):
        importlib.import_module(f"nemo_relay.{home}").Nothing  # noqa: B018


def test_a_star_import_gives_all_of_them() -> None:
    space: dict[str, Any] = {}
    exec("from nemo_relay import *", space)
    assert set(nemo_relay.__all__) <= set(space)


@pytest.mark.parametrize("name", [name for name in SUBMODULES if name not in MISSING])
def test_a_module_exports_what_it_lists(name: str) -> None:
    module = getattr(nemo_relay, name)
    listed = getattr(module, "__all__", [])
    assert len(set(listed)) == len(listed)
    for member in listed:
        assert hasattr(module, member)


SIGNATURES = {
    "scope.push": "name scope_type * handle attributes data metadata input timestamp",
    "scope.pop": "handle * output metadata timestamp",
    "scope.event": "name * handle data data_schema metadata severity timestamp",
    "scope.metric": "name measurements * handle metadata timestamp",
    "scope.scope": "name scope_type * handle attributes data metadata input timestamp end_timestamp",
    "tools.call": "name args * handle attributes data metadata tool_call_id timestamp",
    "tools.call_end": "handle result * data metadata timestamp",
    "tools.execute": "name args func * handle attributes data metadata tool_call_id",
    "tools.request_intercepts": "name args * handle",
    "llm.call": "name request * handle attributes data metadata model_name timestamp",
    "llm.call_end": "handle response * data metadata annotated_response response_codec timestamp",
    "llm.execute": "name request func * handle attributes data metadata model_name codec response_codec",
    "llm.stream_execute": (
        "name request func collector finalizer * handle attributes data metadata model_name codec response_codec"
    ),
    "typed.tool_execute": ("name args func args_codec result_codec * handle attributes data metadata tool_call_id"),
    "typed.llm_execute": (
        "name request func response_json_codec * handle attributes data metadata model_name codec response_codec"
    ),
    "typed.llm_stream_execute": (
        "name request func collector finalizer chunk_json_codec response_json_codec"
        " * handle attributes data metadata model_name codec response_codec"
    ),
    "runtime_registrations.register_conditional_middleware_guardrail": "name kinds registration_name guardrail",
    "runtime_registrations.list_runtime_registrations": "kinds",
    "guardrails.register_mark_sanitize": "name priority guardrail",
    "intercepts.register_tool_request": "name priority break_chain fn",
    "intercepts.register_llm_stream_execution": "name priority fn",
    "event_metadata.register_injector": "name priority injector",
    "scope_local.register_llm_request": "scope_handle name priority break_chain fn",
    "subscribers.register": "name callback",
}


@pytest.mark.parametrize("path", SIGNATURES)
def test_parameters_keep_their_published_names_and_order(path: str) -> None:
    module, name = path.split(".")
    shown: list[str] = []
    for parameter in inspect.signature(getattr(getattr(nemo_relay, module), name)).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in shown:
            shown.append("*")
        shown.append(parameter.name)
    published = SIGNATURES[path].split()
    assert shown[: len(published)] == published, "and what is new comes after them"
    if len(shown) > len(published):
        assert "*" in published


def test_the_private_module_has_what_programs_take_from_it() -> None:
    for name in (
        "capture_thread_scope_stack",
        "restore_thread_scope_stack",
        "sync_thread_scope_stack",
        "list_runtime_registrations",
        "flush_subscribers",
    ):
        assert callable(getattr(_native, name))
    assert _native.ScopeHandle is nemo_relay.ScopeHandle
    assert _native.AnthropicMessagesCodec is nemo_relay.codecs.AnthropicMessagesCodec
    assert nemo_relay._scope_stack_var.name == "scope_stack"
    with pytest.raises(AttributeError):
        _native.nothing  # noqa: B018


def test_a_coroutine_can_be_run_from_synchronous_code_in_any_situation() -> None:
    import asyncio

    async def here() -> tuple[Any, str]:
        await asyncio.sleep(0)
        return nemo_relay.get_scope_stack(), scope.get_handle().uuid

    async def fails() -> None:
        raise LookupError("own")

    async def main() -> tuple[Any, str]:
        async def nested() -> Any:
            return utils.run_sync(here())

        assert utils.run_sync(nested()) == utils.run_sync(here())
        return utils.run_sync(here())

    with scope.scope("s", ScopeType.Function) as handle:
        stack = nemo_relay.get_scope_stack()
        assert utils.run_sync(here()) == (stack, handle.uuid)
        assert asyncio.run(main()) == (stack, handle.uuid), "inside a running loop too"
        with pytest.raises(LookupError, match="own"):
            utils.run_sync(fails())
