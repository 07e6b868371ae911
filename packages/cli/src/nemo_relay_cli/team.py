# SPDX-License-Identifier: Apache-2.0
"""What the replicas of a team's gateway share besides their sessions: ``config.toml`` and ``plugins.toml``."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from nemo_relay_cli.errors import ConfigurationError
from nemo_relay_cli.settings import StateSection
from nemo_relay_state import State, StateError, opened

DOCUMENTS = {"config": "config.toml", "plugins": "plugins.toml"}


@asynccontextmanager
async def shared(section: StateSection) -> AsyncIterator[State | None]:
    """The shared state that ``[state]`` describes; None where it describes none.

    Args:
        section: of ``config.toml``.

    Raises:
        ConfigurationError: a setting of it cannot be used.
    """
    described = section.described()
    if not described:
        yield None
        return
    try:
        state = opened(described)
    except StateError as error:
        raise ConfigurationError(f"[state]: {error}") from None
    try:
        yield state
    finally:
        await state.close()


async def published(state: State, name: str) -> str | None:
    """A document that was published; None where none was.

    Args:
        state: what the replicas share.
        name: ``config`` or ``plugins``.

    Raises:
        ConfigurationError: the state does not answer.
    """
    try:
        found = await state.get(f"document:{name}")
    except StateError as error:
        raise ConfigurationError(str(error)) from None
    return None if found is None else found.decode()


def document(path: Path) -> str:
    """The text of a file that is to be published.

    Args:
        path: the file.

    Raises:
        ConfigurationError: it cannot be read, or is no TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    return text


async def publish(state: State, name: str, text: str) -> None:
    """Put a document where the replicas read it when they start.

    Args:
        state: what the replicas share.
        name: ``config`` or ``plugins``.
        text: what is in it.

    Raises:
        ConfigurationError: the state does not answer.
    """
    try:
        await state.put(f"document:{name}", text.encode())
    except StateError as error:
        raise ConfigurationError(str(error)) from None


@contextmanager
def as_file(name: str, text: str) -> Iterator[Path]:
    """A document as a private file, for as long as the block runs.

    Args:
        name: ``config`` or ``plugins``.
        text: what is in it.
    """
    with tempfile.TemporaryDirectory(prefix="nemo-relay-team-") as folder:  # 0700
        path = Path(folder, DOCUMENTS[name])
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        yield path
