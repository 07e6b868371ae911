# SPDX-License-Identifier: Apache-2.0
"""Where recorded events are."""

from __future__ import annotations

from pathlib import Path

from nemo_relay_cli.errors import CommandError

_USUAL = (".nemo-relay/atof", ".nemo-relay")


def files(path: Path | None) -> list[Path]:
    """The files of events that a command is about, the newest first.

    Args:
        path: a file, or a folder of them; the project's own when None.

    Raises:
        CommandError: there is none.
    """
    if path is not None and path.is_file():
        return [path]
    folders = [path] if path is not None else [Path(name) for name in _USUAL]
    found = {file for folder in folders if folder.is_dir() for file in folder.rglob("*.jsonl")}
    if not found:
        raise CommandError(f"no recorded events in {' or '.join(map(str, folders))}")
    return sorted(found, key=lambda file: file.stat().st_mtime, reverse=True)
