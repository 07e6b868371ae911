# SPDX-License-Identifier: Apache-2.0
"""The private folder of a run. It stands where nobody else can write, not even beside it: hosts check that."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nemo_relay_cli.edits import is_alive
from nemo_relay_cli.errors import LaunchError

_PREFIX = "run-"


@contextlib.contextmanager
def run_folder() -> Iterator[str]:
    """A folder that goes with the run. What killed runs left goes, too.

    Raises:
        LaunchError: none can be made.
    """
    base = _base()
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in base.glob(f"{_PREFIX}*"):
            if not is_alive(old.name.removeprefix(_PREFIX).partition("-")[0]):
                shutil.rmtree(old, ignore_errors=True)
        made = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", dir=base, ignore_cleanup_errors=True)
    except OSError as error:
        raise LaunchError(f"{base} cannot hold a run's private files: {error.strerror}") from None
    with made as folder:
        yield folder


def _base() -> Path:
    """The user's runtime folder, which ends with the session; else the cache."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        return Path(runtime) / "nemo-relay"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "nemo-relay"
