# SPDX-License-Identifier: Apache-2.0
"""The components that come with the core, as plugins: modules with ``diagnose(config)`` and ``activate(config)``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Which module owns the kind. It is imported when a document names it.
BUILTIN = {
    "pricing": "nemo_relay._plugins.pricing",
    "resource_metrics": "nemo_relay._resources.component",
}


class Builtin:
    """A built-in component: ``activate(config)`` gives back the call that ends it."""

    def __init__(self, kind: str) -> None:
        self._module = import_module(BUILTIN[kind])

    def validate(self, config: dict[str, Any]) -> Any:
        """The diagnostics of ``config``."""
        return self._module.diagnose(config)

    def register(self, config: dict[str, Any], context: Any) -> None:
        """Start the component; it ends with the activation."""
        context.on_close(self._module.activate(config))
