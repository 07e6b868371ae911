# SPDX-License-Identifier: Apache-2.0
"""The shape of a configuration: what pydantic checks, and what the JSON Schema is made of."""

# No `annotations` from the future: pydantic reads the types themselves.
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

Unsigned = StrictInt


class _Table(BaseModel):
    model_config = ConfigDict(
        extra="ignore", hide_input_in_errors=True, json_schema_extra={"additionalProperties": False}
    )


class Policy(_Table):
    """What becomes of what nobody knows."""

    unknown_component: Literal["ignore", "warn", "error"] = "warn"
    unknown_field: Literal["ignore", "warn", "error"] = "warn"
    unsupported_value: Literal["ignore", "warn", "error"] = "error"


class Builtin(_Table):
    """What is looked for, where, and what becomes of it."""

    preset: StrictStr | None = Field(None, description="trajectory_context: the shape of a run without its content")
    action: StrictStr | None = Field(
        None, description="remove, redact, regex_replace, hash, mask, pseudonym or encrypt", examples=["mask"]
    )
    target_paths: list[StrictStr] = Field([], description="JSON Pointers to what is meant; none: everything")
    target_path_globs: list[StrictStr] = Field([], description="JSON Pointers in which * is any key or index")
    pattern: StrictStr | None = Field(None, description="a regular expression in RE2's syntax")
    detector: StrictStr | None = Field(None, description="one detector")
    detectors: list[StrictStr] | None = Field(None, description="any number of detectors, or all")
    replacement: StrictStr | None = Field(None, description="{name} is the detector, $1 a group of the pattern")
    mask_char: StrictStr | None = Field(None, description="one character, * by default")
    unmasked_prefix: Unsigned | None = Field(None, ge=0)
    unmasked_suffix: Unsigned | None = Field(None, ge=0)
    custom_mark_payload_policy: StrictStr | None = Field(None, description="preserve or redact_all_leaves")
    metric_string_attribute_allowlist: dict[StrictStr, list[StrictStr]] | None = None
    key: StrictStr | None = Field(None, description="of pseudonyms and hashes; ${env:NAME} keeps it elsewhere")
    pseudonym_style: Literal["token", "shape"] = "token"
    json_strings: StrictBool = Field(True, description="look into texts that are JSON")
    object_keys: StrictBool = Field(False, description="look at the names of keys too")
    numbers: StrictBool = Field(False, description="look at numbers too")


class Local(_Table):
    """A model in this process."""

    backend: StrictStr | None = Field(None, description="presidio, or a name of the group nemo_relay.pii_models")
    model_id: StrictStr | None = Field(None, description="the model, in the words of the back end")
    detector_profile: StrictStr | None = Field(None, description="entities, separated by commas")
    allow_network: StrictBool | None = None
    max_latency_ms: Unsigned | None = Field(None, ge=0)


class Profile(_Table):
    """One of several profiles; each sees what the one before it has left."""

    enabled: StrictBool = True
    mode: StrictStr = "builtin"
    priority: StrictInt = 100
    builtin: Builtin | None = None
    local: Local | None = None


class Config(_Table):
    """The configuration of the component ``pii_redaction``."""

    version: Unsigned = Field(1, ge=0)
    mode: StrictStr = Field("builtin", description="builtin or local_model")
    input: StrictBool = Field(True, description="requests to models, and starts of scopes")
    output: StrictBool = Field(True, description="responses of models, and ends of scopes")
    tool_input: StrictBool = True
    tool_output: StrictBool = True
    mark: StrictBool = True
    priority: StrictInt = Field(100, description="lower ones run first")
    codec: StrictStr | None = Field(None, description="the format of requests and responses that come without one")
    builtin: Builtin | None = None
    local: Local | None = None
    profiles: list[Profile] | None = Field(None, description="several profiles in place of `builtin` or `local`")
    policy: Policy = Policy()


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a configuration."""
    return Config.model_json_schema()
