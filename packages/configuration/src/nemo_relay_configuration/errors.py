# SPDX-License-Identifier: Apache-2.0
"""What is raised about a configuration, and about what is not installed. ``nemo_relay.errors`` offers the classes."""

from __future__ import annotations

from nemo_relay_codecs.errors import RelayError

__all__ = [
    "ConfigFileMissing",
    "InvalidConfig",
    "InvalidDocument",
    "MissingExtra",
    "NotFound",
    "UnknownPlugin",
    "install_command",
]


def install_command(extra: str, distribution: str = "nemo-relay") -> str:
    """The line that installs ``extra``.

    An index may have another package of this name, with lower versions: so the line names ours. ``dist`` is the folder
    that ``make wheels`` fills; pip passes over it where it is not there.

    Args:
        extra: what brings the library, e.g. ``"otel"``.
        distribution: whose extra it is.

    Returns:
        The command for a shell.
    """
    from nemo_relay_configuration._version import __version__

    least = ".".join(__version__.split(".")[:2])
    return f'pip install --find-links dist "{distribution}[{extra}]>={least}"'


class NotFound(RelayError, RuntimeError):
    """A scope or registration is not there (any more)."""

    __module__ = "nemo_relay.errors"

    def __init__(self, what: str) -> None:
        super().__init__(f"not found: {what}")


class UnknownPlugin(NotFound, FileNotFoundError):
    """A plugin kind or manifest does not exist."""

    __module__ = "nemo_relay.errors"


class InvalidConfig(RelayError, ValueError):
    """A plugin document was refused."""

    __module__ = "nemo_relay.errors"

    def __init__(self, detail: str) -> None:
        super().__init__(f"invalid config: {detail}")


class InvalidDocument(InvalidConfig):
    """A plugin document does not have the shape of one. Its text is the published one, which has no prefix."""

    __module__ = "nemo_relay.errors"

    def __init__(self, detail: str) -> None:
        ValueError.__init__(self, detail)


class ConfigFileMissing(InvalidConfig, FileNotFoundError):
    """A configuration file that was named explicitly does not exist.

    Attributes:
        path: the file.
    """

    __module__ = "nemo_relay.errors"

    def __init__(self, path: str) -> None:
        super().__init__(f"explicit plugin configuration file does not exist: {path}")
        self.path = path


class MissingExtra(RelayError, ImportError):
    """A feature needs a library that is not installed."""

    __module__ = "nemo_relay.errors"

    def __init__(self, feature: str, library: str, extra: str, distribution: str = "nemo-relay") -> None:
        super().__init__(f"{feature} needs {library}: {install_command(extra, distribution)}", name=library)
        self.extra = extra
