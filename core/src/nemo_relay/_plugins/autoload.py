# SPDX-License-Identifier: Apache-2.0
"""Switching the configuration files on without a line in the program: ``NEMO_RELAY_PLUGINS``.

``1``: the files that are found; a path: that file; ``0``: nothing, not even for a program that calls ``autoload``. It
is read when ``nemo_relay`` is imported, by whomever: a program that imports an adapter imports it too. What goes wrong
is told on standard error and the program goes on, unless ``NEMO_RELAY_PLUGINS_STRICT`` is set: then the import fails.
"""

from __future__ import annotations

import os
import sys
from itertools import pairwise

from nemo_relay._plugins import activation, host
from nemo_relay._runtime.log import faults
from nemo_relay_configuration.sources import files

SWITCH = "NEMO_RELAY_PLUGINS"
STRICT = "NEMO_RELAY_PLUGINS_STRICT"
_ON = {"1", "true", "yes", "on"}
_OFF = {"", "0", "false", "no", "off"}


def load() -> host.Host | None:
    """See ``nemo_relay.plugin.autoload``."""
    wanted = os.environ.get(SWITCH, "1").strip()
    if wanted.lower() in _OFF or host.current() is not None:
        return None
    additional = None if wanted.lower() in _ON else wanted
    if additional is None and not any(file.document for file in files.found(None)):
        return None
    return activation.initialize_blocking({}, additional)


def at_import() -> None:
    """What the variable asks of a process that imports ``nemo_relay``."""
    if os.environ[SWITCH].strip().lower() in _OFF or _is_a_tool_of_ours():
        return
    try:
        loaded = load()
    except Exception as error:
        if os.environ.get(STRICT, "").strip().lower() not in _OFF:
            raise
        faults.write(f"nemo_relay: {SWITCH} is set and nothing is recorded: {faults.describe(error)}")
        return
    if loaded is None and host.current() is None:
        places = ", ".join(map(_place, files.found(None)))
        faults.write(f"nemo_relay: {SWITCH} is set and nothing is recorded: no configuration in {places}")


def _place(file: files.File) -> str:
    path = file.path or os.path.join(".nemo-relay", files.NAME)
    return f"{path} ({file.distrusted})" if file.distrusted else path


def _is_a_tool_of_ours() -> bool:
    """``python -m nemo_relay...`` and the ``nemo-relay`` commands look at runs; they are none."""
    words = sys.orig_argv[1:]
    as_module = any(flag == "-m" and name.startswith("nemo_relay") for flag, name in pairwise(words))
    return as_module or os.path.basename(sys.argv[0] if sys.argv else "").startswith("nemo-relay")
