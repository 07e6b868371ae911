# SPDX-License-Identifier: Apache-2.0
"""The components that come with the core, as plugins: modules with ``diagnose(config)`` and ``activate(config)``,
or with the methods of a plugin."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from nemo_relay.errors import MissingExtra

# Which module owns the kind. It is imported when a document names it.
BUILTIN = {
    "observability": "nemo_relay._observability.component",
    "pricing": "nemo_relay._plugins.pricing",
    "resource_metrics": "nemo_relay_resources.component",
}


# Those that a distribution of its own brings -> the extra that names it.
_EXTRAS = {"resource_metrics": "resources"}


def builtin(kind: str) -> Any:
    """The plugin of a built-in kind: its module, where that is one."""
    module = import_module(BUILTIN[kind]) if BUILTIN[kind].startswith("nemo_relay.") else None
    return module if hasattr(module, "register") else Builtin(kind)


class Builtin:
    """A built-in component: ``activate(config)`` gives back the call that ends it."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def validate(self, config: dict[str, Any]) -> Any:
        """The diagnostics of ``config``."""
        try:
            return self._component().diagnose(config)
        except MissingExtra as missing:
            text = str(missing)
            return [{"level": "warning", "code": "plugin.missing_extra", "component": self._kind, "message": text}]

    def register(self, config: dict[str, Any], context: Any) -> None:
        """Start the component; it ends with the activation.

        Raises:
            MissingExtra: the distribution that brings it is not installed (an ImportError).
        """
        context.on_close(self._component().activate(config))

    def _component(self) -> Any:
        module = BUILTIN[self._kind]
        try:
            return import_module(module)
        except ModuleNotFoundError as error:
            package = module.partition(".")[0]
            if str(error.name).partition(".")[0] != package or self._kind not in _EXTRAS:
                raise
            library = package.replace("_", "-")
            raise MissingExtra(f"the {self._kind} component", library, _EXTRAS[self._kind]) from None
