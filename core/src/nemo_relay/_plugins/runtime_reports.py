# SPDX-License-Identifier: Apache-2.0
"""What happened to components while they ran, counted: the ``runtime_diagnostics`` of a report."""

from __future__ import annotations

import threading
from typing import Any

from nemo_relay._runtime.log.faults import describe
from nemo_relay_configuration.reports import RuntimeDiagnostic
from nemo_relay_configuration.sources.secrets import Secrets

MAX_KINDS = 256  # further ones are counted under their code alone
MAX_MESSAGE = 1_024  # characters


class RuntimeReports:
    """The runtime diagnostics of one activation. The last message of a kind is kept, without any secret in it."""

    def __init__(self) -> None:
        self.secrets = Secrets()
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str, str | None], Any] = {}

    def add(self, code: str, component: str, message: str, field: str | None, session_id: str | None) -> None:
        """Count one."""
        where = {"field": field, "session_id": session_id}
        text = self.secrets.mask(message)[:MAX_MESSAGE]
        with self._lock:
            key = (code, component, field)
            if key not in self._kept and len(self._kept) >= MAX_KINDS:
                key, where = (code, component, None), {}
            count = self._kept[key]["count"] if key in self._kept else 0
            place = {name: value for name, value in where.items() if value is not None}
            self._kept[key] = {"code": code, "component": component, "message": text, "count": count + 1, **place}

    def masked(self, error: BaseException) -> BaseException:
        """``error``, or another in its place when its text holds a secret of the configuration."""
        text = describe(error)
        clean = self.secrets.mask(text)
        return error if clean == text else RuntimeError(clean)

    def listed(self) -> list[RuntimeDiagnostic]:
        """All of them, in the order in which they first happened."""
        with self._lock:
            return [dict(one) for one in self._kept.values()]  # type: ignore[misc]
