# SPDX-License-Identifier: Apache-2.0
"""How the package behaves towards those who did not ask for it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from nemo_relay import testing


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_it_does_not_import_pytest() -> None:
    assert run("import sys, nemo_relay.testing as t; t.capture_events; print('pytest' in sys.modules)") == "False"


def test_pytest_loads_no_part_of_it_before_a_test_asks() -> None:
    code = "import sys, nemo_relay.testing.pytest_plugin; print('nemo_relay.testing.capture' in sys.modules)"
    assert run(code) == "False"


def test_every_public_name_is_there() -> None:
    for name in testing.__all__:
        assert getattr(testing, name).__name__ == name
    assert dir(testing) == sorted(testing.__all__)
    with pytest.raises(AttributeError, match="'nothing'"):
        testing.nothing  # noqa: B018


def test_pytest_finds_the_fixtures_in_an_environment_with_the_package(tmp_path: Path) -> None:
    assert [point.value for point in entry_points(group="pytest11", name="nemo_relay")] == [
        "nemo_relay.testing.pytest_plugin"
    ]
    (tmp_path / "test_user.py").write_text(
        "import nemo_relay\n"
        "from nemo_relay import scope, subscribers\n"
        "def test_it(relay_events):\n"
        "    scope.event('seen')\n"
        "    assert [event.name for event in relay_events.events] == ['seen']\n"
        "def test_first(relay_isolated):\n"
        "    scope.push('left open', nemo_relay.ScopeType.Agent)\n"
        "    subscribers.register('left', print)\n"
        "def test_second(relay_isolated):\n"
        "    assert not nemo_relay.scope_stack_active()\n"
        "    subscribers.register('left', print)\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "3 passed" in done.stdout, done.stdout + done.stderr
