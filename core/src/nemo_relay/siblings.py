# SPDX-License-Identifier: Apache-2.0
"""For distributions that stand beside the core: all of them carry one version."""

from __future__ import annotations

from nemo_relay._version import __version__
from nemo_relay.errors import MixedInstallation

__all__ = ["expect_core"]


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
