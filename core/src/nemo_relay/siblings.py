# SPDX-License-Identifier: Apache-2.0
"""For distributions that stand beside the core: all of them carry one version."""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any

from nemo_relay._version import __version__
from nemo_relay.errors import MissingExtra, MixedInstallation

__all__ = ["expect_core", "names_of"]


def names_of(package: str, extra: str, names: Collection[str], here: dict[str, Any]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module of the core whose names a distribution beside it brings.

    Args:
        package: what is imported when one of them is first asked for.
        extra: the extra of ``nemo-relay`` that installs it.
        names: the names.
        here: the globals of the module, where a name that was found stays.

    Returns:
        The function; it raises ``MissingExtra`` (an ImportError) where the distribution is not installed.

    Example:
        >>> names_of("nemo_relay_resources", "resources", ["collect"], {})("collect").__name__
        'collect'
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {here.get('__name__')!r} has no attribute {name!r}")
        try:
            module = import_module(package)
        except ModuleNotFoundError as error:
            if error.name != package:
                raise
            library = package.replace("_", "-")
            raise MissingExtra(f"{here.get('__name__')}.{name}", library, extra) from None
        value = here[name] = getattr(module, name)
        return value

    return find


def expect_core(distribution: str) -> None:
    """Refuse an installation in which ``distribution`` and the core are of different versions.

    Args:
        distribution: the name under which the caller is installed. One that is not installed, but on the path, passes.

    Raises:
        MixedInstallation: the versions differ (an ImportError).

    Example:
        >>> expect_core("nemo-relay")
    """
    from importlib import metadata

    try:
        version = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return
    if version != __version__:
        raise MixedInstallation(distribution, version, __version__)
