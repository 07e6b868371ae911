# SPDX-License-Identifier: Apache-2.0
"""Redacts personal data and secrets in what observers get to see: the component ``pii_redaction``.

The application's own calls are never changed: providers, tools and callers get what they got before. The runtime offers
the configuration as ``nemo_relay.pii_redaction``; ``redacted`` does the same to any text.

>>> redacted("write to jane.doe@example.com", ["email"], action="mask")
'write to j*******@example.com'
"""

from __future__ import annotations

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-pii needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay[pii]>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-pii")

from collections.abc import Callable
from typing import Any

from nemo_relay_pii.checking import diagnose
from nemo_relay_pii.config import (
    PII_REDACTION_PLUGIN_KIND,
    BuiltinConfig,
    ComponentSpec,
    ConfigDiagnostic,
    ConfigPolicy,
    ConfigReport,
    LocalModelConfig,
    PiiRedactionConfig,
)
from nemo_relay_pii.counting import counters
from nemo_relay_pii.detectors import DETECTORS
from nemo_relay_pii.encryption import reveal
from nemo_relay_pii.finding import Find, Match, by_detectors, by_pattern
from nemo_relay_pii.models import Builtin
from nemo_relay_pii.patterns import InvalidPattern, compiled, expanded, matching
from nemo_relay_pii.profiles import built
from nemo_relay_pii.walking import InvalidPointer, segments

__all__ = [
    "DETECTORS",
    "PII_REDACTION_PLUGIN_KIND",
    "BuiltinConfig",
    "ComponentSpec",
    "ConfigDiagnostic",
    "ConfigPolicy",
    "ConfigReport",
    "Find",
    "InvalidPattern",
    "InvalidPointer",
    "LocalModelConfig",
    "Match",
    "PiiRedactionConfig",
    "by_detectors",
    "by_pattern",
    "compiled",
    "counters",
    "expanded",
    "matching",
    "redacted",
    "redactor",
    "reveal",
    "segments",
    "validate_config",
]


def validate_config(config: PiiRedactionConfig | dict[str, Any]) -> ConfigReport:
    """What there is to say about a configuration of the component.

    Args:
        config: the configuration.

    Returns:
        The diagnostics, none for a good one.
    """
    table: Any = config.to_dict() if isinstance(config, PiiRedactionConfig) else config
    report: Any = {"diagnostics": diagnose(table)}
    return report  # type: ignore[no-any-return]


def redactor(detectors: list[str] | None = None, *, action: str = "redact", **options: Any) -> Callable[[Any], Any]:
    """A function that gives a copy of a JSON value without what is looked for.

    Args:
        detectors: their names; ``["all"]`` is every one. None where ``options`` have a ``pattern``.
        action: ``redact``, ``hash``, ``mask``, ``pseudonym`` or ``encrypt``.
        **options: further fields of ``BuiltinConfig``: ``replacement``, ``key``...

    Returns:
        The function. It gives the very object where nothing is found.

    Raises:
        ValueError: an option is wrong; the text says which.
    """
    table = {"detectors": detectors, "action": action, **options}
    wrong = next((one for one in diagnose({"builtin": table}) if one["level"] == "error"), None)
    if wrong is not None:
        raise ValueError(wrong["message"])
    return built(Builtin.model_validate(table))


def redacted(value: Any, detectors: list[str] | None = None, *, action: str = "redact", **options: Any) -> Any:
    """A copy of a JSON value without what ``detectors`` find in it: ``redactor(detectors, ...)(value)``.

    Args:
        value: a text, or any JSON value.
        detectors: as for ``redactor``.
        action: as for ``redactor``.
        **options: as for ``redactor``.

    Returns:
        The value rewritten; the very object where nothing was found.

    Raises:
        ValueError: an option is wrong; the text says which.
    """
    return redactor(detectors, action=action, **options)(value)
