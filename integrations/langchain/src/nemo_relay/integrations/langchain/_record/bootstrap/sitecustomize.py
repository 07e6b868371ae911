# SPDX-License-Identifier: Apache-2.0
"""Runs when a Python starts in a program that ``run`` launched: turns on what the environment asks for.

It stands in front of whatever module of this name the installation has, so it runs that one as well.
"""

import importlib.machinery
import importlib.util
import os
import sys


def _run_the_other() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    others = [path for path in sys.path if os.path.abspath(path or ".") != here]
    found = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if found is not None and found.loader is not None:
        found.loader.exec_module(importlib.util.module_from_spec(found))


def _start() -> None:
    try:
        from nemo_relay.integrations.langchain._record.launch import start

        start()
    except Exception as error:  # another Python than ours, say: the program comes first
        sys.stderr.write(f"NeMo Relay does not record this process: {type(error).__name__}: {error}\n")


_run_the_other()
_start()
