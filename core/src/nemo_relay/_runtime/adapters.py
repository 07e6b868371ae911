# SPDX-License-Identifier: Apache-2.0
"""What the import of an adapter says where that adapter is not installed: which extra brings it.

Python asks this finder after all others, so it costs nothing where an import succeeds. It knows no adapter by name:
the extras are those that the metadata of the installed core has.
"""

from __future__ import annotations

import sys

from nemo_relay_configuration.errors import install_command

PACKAGE = "nemo_relay.integrations"


class MissingAdapters:
    """The last entry of ``sys.meta_path``; it finds nothing."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Raises ``ModuleNotFoundError`` with the remedy for an adapter that an extra would bring."""
        if name == PACKAGE:
            raise ModuleNotFoundError(
                f"No module named {name!r}: no adapter is installed. Install the one of your framework, for example: "
                + install_command("langgraph"),
                name=name,
            )
        parent, _, framework = name.rpartition(".")
        if parent == PACKAGE and framework in _extras():
            raise ModuleNotFoundError(
                f"No module named {name!r}: this adapter is not installed: {install_command(framework)}",
                name=name,
            )


def install() -> None:
    """Have Python ask; once per process."""
    sys.meta_path.append(MissingAdapters())


def _extras() -> list[str]:
    from importlib import metadata

    try:
        return metadata.metadata("nemo-relay").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return []
