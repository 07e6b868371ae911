# SPDX-License-Identifier: Apache-2.0
"""The shapes of what validation and activation tell."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from nemo_relay_configuration.documents import JsonObject

DynamicPluginCheckState: TypeAlias = Literal["unknown", "valid", "invalid"]
DynamicPluginKind: TypeAlias = Literal["rust_dynamic", "worker"]


class _ConfigDiagnosticRequired(TypedDict):
    level: Literal["warning", "error"]
    code: str
    message: str


class ConfigDiagnostic(_ConfigDiagnosticRequired, total=False):
    """One finding about a document. ``component`` is the kind it is about, ``field`` the path in the document."""

    component: str
    field: str


class _RuntimeDiagnosticRequired(TypedDict):
    code: str
    component: str
    message: str
    count: int


class RuntimeDiagnostic(_RuntimeDiagnosticRequired, total=False):
    """Something that happened ``count`` times while a component ran."""

    field: str
    session_id: str


class ConfigReport(TypedDict):
    """The findings. ``runtime_diagnostics`` is there only when it is not empty."""

    diagnostics: list[ConfigDiagnostic]
    runtime_diagnostics: NotRequired[list[RuntimeDiagnostic]]


class DynamicPluginFailure(TypedDict):
    """Why a dynamic plugin does not run."""

    phase: str
    code: str
    message: str


class _DynamicPluginValidationStatusRequired(TypedDict):
    manifest: DynamicPluginCheckState
    compatibility: DynamicPluginCheckState
    integrity: DynamicPluginCheckState
    environment: DynamicPluginCheckState
    authenticity: DynamicPluginCheckState
    policy_satisfied: DynamicPluginCheckState


class DynamicPluginValidationStatus(_DynamicPluginValidationStatusRequired, total=False):
    """What was checked of a dynamic plugin."""

    checked_at: str
    message: str


class _DynamicPluginValidationReportRequired(TypedDict):
    plugin_id: str
    manifest_ref: str
    kind: DynamicPluginKind
    status: DynamicPluginValidationStatus
    selected: bool


class DynamicPluginValidationReport(_DynamicPluginValidationReportRequired, total=False):
    """One dynamic plugin."""

    failure: DynamicPluginFailure


class PluginHostReport(TypedDict):
    """What was configured, from which files, and what there is to say about it."""

    config: ConfigReport
    config_paths: list[str]
    dynamic_plugins: list[DynamicPluginValidationReport]
    resolved_config: JsonObject


def diagnostic(level: str, code: str, message: str, **where: str) -> ConfigDiagnostic:
    """A finding; ``where`` is ``component`` and ``field``, as far as there is something to say."""
    made: Any = {"level": level, "code": code, "message": message, **where}
    return made  # type: ignore[no-any-return]
