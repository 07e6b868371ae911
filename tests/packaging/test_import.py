# SPDX-License-Identifier: Apache-2.0
"""`import nemo_relay` alone: standard library, msgspec and the codecs' names; no thread, file, process, socket."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

WATCHED = """
import json, sys, threading
before = set(sys.modules)
seen = []

def audit(event, args):
    if event == "open" and str(args[0]).endswith((".py", ".pyc", ".so")):
        return  # the import system reads modules
    if event.startswith(("open", "_thread.start", "subprocess.", "socket.", "os.fork", "os.posix_spawn")):
        seen.append([event, str(args[0])])

sys.addaudithook(audit)
{statement}
threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
modules = {{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names
print(json.dumps({{"seen": seen, "threads": threads, "modules": sorted(modules)}}))
"""


def effects_of(statement: str) -> dict[str, Any]:
    command = [sys.executable, "-I", "-B", "-c", WATCHED.format(statement=statement)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    effects: dict[str, Any] = json.loads(run.stdout)
    return effects


def test_importing_the_core_does_nothing_else() -> None:
    effects = effects_of("import nemo_relay")
    # msgspec itself takes typing_extensions along where that is installed.
    ours = {"nemo_relay", "nemo_relay_codecs", "nemo_relay_configuration", "nemo_relay_records"}
    allowed = ours | set(effects_of("import msgspec")["modules"])
    assert set(effects.pop("modules")) <= allowed
    assert effects == {"seen": [], "threads": []}


# What costs more than the rest of the package together, and is for those alone who use it.
HEAVY = ("msgspec", "dataclasses", "inspect", "asyncio", "pydantic", "nemo_relay_codecs.model.request")


def test_importing_the_core_waits_with_what_takes_long() -> None:
    script = f"import sys; had = set(sys.modules); import nemo_relay; print(set({HEAVY!r}) & (set(sys.modules) - had))"
    run = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_the_watch_sees_what_it_is_for() -> None:
    effects = effects_of(
        "import os, iniconfig, threading; open(os.devnull).close(); gate = threading.Event();"
        "threading.Thread(target=gate.wait, name='t', daemon=True).start()"
    )
    assert "iniconfig" in effects["modules"]
    assert ["open", "/dev/null"] in effects["seen"]
    assert effects["threads"] == ["t"]
