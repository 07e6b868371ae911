# SPDX-License-Identifier: Apache-2.0
"""B5: the other package of this name is never installed by our lines, and told apart where somebody mixes the two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workspace import distributions

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow_install]
VERSION = distributions()[0].version
LEAST = VERSION.rpartition(".")[0]
OTHER = "nemo-relay==0.10.4"
NEEDS_CORE = [dist for dist in distributions() if f"nemo-relay=={VERSION}" in dist.project.get("dependencies", [])]
SAYS = """
import importlib, sys
try:
    importlib.import_module(sys.argv[1])
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize("name", [dist.name for dist in NEEDS_CORE])
def test_b5_a_sibling_beside_the_other_package(
    name: str, clean_venv: Callable[[], Any], wheels: dict[str, Path]
) -> None:
    venv = clean_venv()
    venv.install(f"{name}=={VERSION}")
    venv.uv("pip", "install", "--python", venv.python, "--no-deps", OTHER)
    venv.uv("pip", "install", "--python", venv.python, "--no-deps", "--reinstall", str(wheels[name]))
    said = venv.execute(SAYS, imported_as(name))
    assert said.startswith(f"{name} needs the nemo-relay of its own version"), said
    assert 'pip install --find-links dist "nemo-relay' in said and f'>={LEAST}"' in said


def imported_as(name: str) -> str:
    (source,) = (dist.source for dist in NEEDS_CORE if dist.name == name)
    (front,) = (*source.glob("nemo_relay/integrations/*/__init__.py"), *source.glob("*/__init__.py"))
    return ".".join(front.parent.relative_to(source).parts)


def test_b5_our_line_brings_ours_where_the_other_one_is_installed(
    clean_venv: Callable[[], Any], wheels: dict[str, Path]
) -> None:
    venv = clean_venv()
    venv.install(OTHER, "pip")
    folder = next(iter(wheels.values())).parent
    venv.run(venv.python, "-m", "pip", "install", "-q", "--find-links", str(folder), f"nemo-relay[viewer]>={LEAST}")
    assert venv.execute("import nemo_relay; print(nemo_relay.__version__)").strip() == VERSION
