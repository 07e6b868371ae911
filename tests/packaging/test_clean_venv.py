# SPDX-License-Identifier: Apache-2.0
"""Each wheel, installed where nothing else is, imports whole and does its job.

A dependency that the metadata forgets, or a file left out of a wheel, fails here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workspace import ROOT, Distribution, distributions, read_toml

pytestmark = pytest.mark.timeout(300)
VERSION = distributions()[0].version
PROGRAMS = Path(__file__).parent / "programs"

IMPORT_ALL = """
import importlib, json, sys
optional = set(json.loads(sys.argv[2]))
for name in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] not in optional:
            raise
"""
INSTALLED = """
import importlib.metadata as m, json
print(json.dumps({dist.name: dist.version for dist in m.distributions()}))
"""
HINT = """
import importlib, sys
try:
    importlib.import_module(f"nemo_relay.integrations.{sys.argv[1]}")
except ImportError as error:
    print(error)
"""


PLUGIN_TEST = """
import nemo_relay


def test_it(relay_events):
    with nemo_relay.scope.scope("agent", nemo_relay.ScopeType.Agent):
        pass
    assert [event.name for event in relay_events.starts()] == ["agent"]
"""


def install_line(extra: str) -> str:
    """It must not bring the other package of this name, which has lower versions."""
    return f'pip install --find-links dist "nemo-relay[{extra}]>={VERSION.rpartition(".")[0]}"'


def module_names(dist: Distribution) -> list[str]:
    """All but the modules that stand on something which their users bring along, such as pytest."""
    contracts = read_toml(ROOT / "pyproject.toml")["tool"]["importlinter"]["contracts"]
    excepted = {line.split(" -> ")[0] for contract in contracts for line in contract.get("exceptions", [])}
    names = [".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in dist.modules()]
    return [name for name in names if name not in excepted and not name.endswith(".__main__")]


def optional_packages(dist: Distribution) -> list[str]:
    """What the extras of a distribution bring, by the name it is imported under."""
    extras = read_toml(dist.path / "pyproject.toml")["project"].get("optional-dependencies", {})
    wanted = [requirement for requirements in extras.values() for requirement in requirements]
    return [re.split(r"[^A-Za-z0-9_-]", requirement)[0].replace("-", "_") for requirement in wanted]


def test_every_module_imports_in_a_venv_of_its_own(dist: Distribution, clean_venv: Callable[[], Any]) -> None:
    venv = clean_venv()
    venv.install(f"{dist.name}=={dist.version}")
    venv.execute(IMPORT_ALL, json.dumps(module_names(dist)), json.dumps(optional_packages(dist)))


def test_the_core_alone_records_a_run(clean_venv: Callable[[], Any]) -> None:
    venv = clean_venv()
    venv.install(f"nemo-relay=={VERSION}")
    ours = {"nemo-relay", *(f"nemo-relay-{part}" for part in ("codecs", "configuration", "projections", "records"))}
    assert set(json.loads(venv.execute(INSTALLED))) == {*ours, "msgspec"}
    venv.execute((PROGRAMS / "core_alone.py").read_text(encoding="utf-8"))
    for extra in ADAPTERS:
        assert install_line("langgraph") in venv.execute(HINT, extra)  # no adapter is there: one for example


# Each extra that brings an adapter, and the framework without which the adapter cannot be.
ADAPTERS = {"langchain": "langchain-core", "langgraph": "langgraph", "deepagents": "deepagents"}


@pytest.mark.parametrize("extra", ADAPTERS)
def test_s64_an_extra_installs_alone(extra: str, clean_venv: Callable[[], Any]) -> None:
    venv = clean_venv()
    venv.install(f"nemo-relay[{extra}]=={VERSION}")
    venv.execute((PROGRAMS / f"{extra}_extra.py").read_text(encoding="utf-8"))
    missing = [other for other in ADAPTERS if f"nemo-relay-{other}" not in json.loads(venv.execute(INSTALLED))]
    for other in missing:
        assert install_line(other) in venv.execute(HINT, other)
    venv.uv("pip", "uninstall", "--python", venv.python, ADAPTERS[extra])
    assert install_line(extra) in venv.execute(HINT, extra)


def test_the_pytest_fixture_comes_with_the_core(clean_venv: Callable[[], Any], tmp_path: Path) -> None:
    venv = clean_venv()
    venv.install(f"nemo-relay=={VERSION}", "pytest")
    test_file = tmp_path / "test_of_a_user.py"
    test_file.write_text(PLUGIN_TEST, encoding="utf-8")
    assert "1 passed" in venv.run(venv.python, "-I", "-m", "pytest", "-q", str(test_file))
