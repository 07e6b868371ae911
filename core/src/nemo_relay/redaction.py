# SPDX-License-Identifier: Apache-2.0
"""What observers do not get to see: secrets, recognised by the names they go by and by how they look.

Recordings and exporters mask them by default, in their copies only: the call gets what the application gave it.

>>> from nemo_relay.redaction import Redaction
>>> redaction = Redaction()
>>> redaction.value({"headers": {"X-Api-Key": "k-123"}, "usage": {"prompt_tokens": 7}})
{'headers': {'X-Api-Key': '[REDACTED]'}, 'usage': {'prompt_tokens': 7}}
>>> redaction.text("GET https://host/v1?key=abc failed")
'GET https://host/v1?key=[REDACTED] failed'

A callback decides case by case, e.g. to keep the last characters:

>>> partly = Redaction(callback=lambda name, value: f"...{str(value)[-2:]}")
>>> partly.value({"password": "hunter2"})
{'password': '...r2'}
"""

from __future__ import annotations

from nemo_relay_records.redaction.looks import DEFAULT_VALUES
from nemo_relay_records.redaction.names import DEFAULT_KEYS
from nemo_relay_records.redaction.redactor import REPLACEMENT, Callback, Redaction

__all__ = ["DEFAULT_KEYS", "DEFAULT_VALUES", "REPLACEMENT", "Callback", "Redaction", "chosen"]

Redaction.__module__ = __name__


def chosen(redact: bool | Redaction) -> Redaction | None:
    """What a ``redact`` argument asks for: True for the default patterns, False for none.

    Raises:
        TypeError: it is neither of them nor a ``Redaction``.
    """
    if isinstance(redact, Redaction):
        return redact
    if not isinstance(redact, bool):
        raise TypeError(f"redact must be True, False or a Redaction, not {redact!r}")
    if not redact:
        return None
    from nemo_relay_records.redaction.redactor import default

    return default
