# SPDX-License-Identifier: Apache-2.0
"""Redaction of personal data in what observers get to see: the configuration of the component ``pii_redaction``.

All of it is ``nemo_relay_pii``, a distribution of its own (the extra ``pii``); without it any name asked for here
raises ``MissingExtra``, an ImportError.

>>> from nemo_relay.pii_redaction import BuiltinConfig, PiiRedactionConfig, validate_config
>>> validate_config(PiiRedactionConfig(builtin=BuiltinConfig(action="redact", detector="email")))
{'diagnostics': []}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_relay.siblings import names_of

if TYPE_CHECKING:
    from nemo_relay_pii import (
        PII_REDACTION_PLUGIN_KIND,
        BuiltinConfig,
        ComponentSpec,
        ConfigDiagnostic,
        ConfigPolicy,
        ConfigReport,
        LocalModelConfig,
        PiiRedactionConfig,
        counters,
        redacted,
        redactor,
        reveal,
        validate_config,
    )

__all__ = [
    "PII_REDACTION_PLUGIN_KIND",
    "BuiltinConfig",
    "ComponentSpec",
    "ConfigDiagnostic",
    "ConfigPolicy",
    "ConfigReport",
    "LocalModelConfig",
    "PiiRedactionConfig",
    "counters",
    "redacted",
    "redactor",
    "reveal",
    "validate_config",
]
__getattr__ = names_of("nemo_relay_pii", "pii", __all__, globals())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
