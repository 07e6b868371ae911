# SPDX-License-Identifier: Apache-2.0
"""Every error the runtime raises, in one tree.

Each class is also the built-in type that the published package raises in its place, and its text starts with the
published prefix, so ``except RuntimeError`` and matching on the message keep working::

    RelayError
    ├── AlreadyRegistered      RuntimeError   "already exists: ..."
    ├── NotFound               RuntimeError   "not found: ..."
    │   └── UnknownPlugin      FileNotFoundError too
    ├── InvalidArgument        RuntimeError   "invalid argument: ..."
    │   ├── ScopeOrderError                   an explicit ScopeStack popped out of order
    │   ├── RootScopeError                    the implicit root cannot be closed
    │   └── ContinuationClosed                next() of an intercept that has returned
    ├── InvalidValue           ValueError     "invalid argument: ..." for values and documents
    │   └── InvalidTimestamp
    ├── GuardrailRejected      RuntimeError   "guardrail rejected: ..."
    ├── CallbackError          RuntimeError   "internal error: ..." a callback returned what it may not
    ├── AsyncCallbackError     RuntimeError   an async callback where nothing can await it
    ├── NoActiveScope          RuntimeError   "no active scope stack ..."
    ├── InvalidConfig          ValueError     "invalid config: ..."
    │   ├── InvalidDocument                   "invalid type: ...", "missing field ...": a plugin document's shape
    │   └── ConfigFileMissing  FileNotFoundError too: a plugins.toml that was named is not there
    ├── RegistrationFailed     RuntimeError   "registration failed: ..."
    │   └── PluginContextClosed               a plugin kept its context and used it after register() had returned
    ├── PluginConflict         RuntimeError   "conflict: ..."
    ├── SinkError              RuntimeError   a file or stream sink could not be opened or written
    ├── LoggingError           RuntimeError   "failed to initialize NeMo Relay operational logging: ..."
    ├── MissingExtra           ImportError    a library is missing; the text says what to install
    ├── MixedInstallation      ImportError    distributions of different versions side by side
    └── CodecError             RuntimeError   see ``nemo_relay_codecs.errors``

What a callback of the application raises is never wrapped: the very same object reaches the caller.
"""

from __future__ import annotations

from nemo_relay_codecs.errors import CodecError as CodecError
from nemo_relay_codecs.errors import RelayError as RelayError
from nemo_relay_configuration.errors import ConfigFileMissing as ConfigFileMissing
from nemo_relay_configuration.errors import InvalidConfig as InvalidConfig
from nemo_relay_configuration.errors import InvalidDocument as InvalidDocument
from nemo_relay_configuration.errors import MissingExtra as MissingExtra
from nemo_relay_configuration.errors import NotFound as NotFound
from nemo_relay_configuration.errors import UnknownPlugin as UnknownPlugin

__all__ = [
    "AlreadyRegistered",
    "AsyncCallbackError",
    "CallbackError",
    "CodecError",
    "ConfigFileMissing",
    "ContinuationClosed",
    "GuardrailRejected",
    "InvalidArgument",
    "InvalidConfig",
    "InvalidDocument",
    "InvalidTimestamp",
    "InvalidValue",
    "LoggingError",
    "MissingExtra",
    "MixedInstallation",
    "NoActiveScope",
    "NotFound",
    "PluginConflict",
    "PluginContextClosed",
    "RegistrationFailed",
    "RelayError",
    "RootScopeError",
    "ScopeOrderError",
    "SinkError",
    "UnknownPlugin",
]


class AlreadyRegistered(RelayError, RuntimeError):
    """A name is taken. Deregister it first, or use another."""

    def __init__(self, name: str, what: str = "") -> None:
        super().__init__(f"already exists: {name} {what}already exists")
        self.name = name


class InvalidArgument(RelayError, RuntimeError):
    """A call got an argument, or a callback gave an answer, that it may not."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"invalid argument: {detail}")


class ScopeOrderError(InvalidArgument):
    """A scope of an explicit ``ScopeStack`` was closed while it was not the stack's top."""

    def __init__(self) -> None:
        super().__init__("scope handle is not at the top of the stack")


class RootScopeError(InvalidArgument):
    """The implicit or imported root lives as long as its stack."""

    def __init__(self) -> None:
        super().__init__("root scope cannot be removed")


class ContinuationClosed(InvalidArgument):
    """An intercept used its ``next`` after it had returned."""

    def __init__(self) -> None:
        super().__init__("execution continuation is no longer active")


class InvalidValue(RelayError, ValueError):
    """A value or document that the runtime cannot accept."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"invalid argument: {detail}")


class InvalidTimestamp(RelayError, ValueError):
    """A timestamp that is not a timezone-aware datetime with whole minutes of offset."""


class GuardrailRejected(RelayError, RuntimeError):
    """A conditional guardrail refused the call.

    Attributes:
        reason: what the guardrail returned.
        guardrail: the name it is registered under.
        target: the tool's or the model provider's name.
        kind: ``"tool"`` or ``"llm"``.
    """

    def __init__(self, reason: str, *, guardrail: str = "", target: str = "", kind: str = "") -> None:
        super().__init__(f"guardrail rejected: {reason}")
        self.reason = reason
        self.guardrail = guardrail
        self.target = target
        self.kind = kind


class CallbackError(RelayError, RuntimeError):
    """A registered callback answered with something the runtime cannot use."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"internal error: {detail}")


class AsyncCallbackError(CallbackError):
    """An async callback was met where nothing can await it. Use the async form of the call."""


class NoActiveScope(RelayError, RuntimeError):
    """Nothing to capture: no scope has been opened in this context."""


class RegistrationFailed(RelayError, RuntimeError):
    """A plugin's registration raised, or its kind is taken."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"registration failed: {detail}")


class PluginContextClosed(RegistrationFailed):
    """A plugin used its ``PluginContext`` after its ``register`` had returned: nothing would remove what it adds."""


class PluginConflict(RelayError, RuntimeError):
    """Another plugin host is active in this process."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"conflict: {detail}")


class SinkError(RelayError, RuntimeError):
    """A sink could not be opened, or has failed to write since it was last asked."""


class LoggingError(RelayError, RuntimeError):
    """A setting of the operational log is invalid, or a log file cannot be opened."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"failed to initialize NeMo Relay operational logging: {detail}")


class MixedInstallation(RelayError, ImportError):
    """Two distributions of this project, or one of it and a stranger, are installed in versions that differ."""

    def __init__(self, distribution: str, version: str, core: str) -> None:
        super().__init__(
            f"{distribution} {version} cannot run on nemo-relay {core}: all distributions carry one version. "
            f'Install both anew: pip install --find-links dist "nemo-relay=={core}" "{distribution}=={core}"'
        )
        self.distribution = distribution
        self.version = version
        self.core = core
