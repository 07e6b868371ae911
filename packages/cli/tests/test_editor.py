# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay plugins edit`` in a real pseudo-terminal: keys in, screen out, and a file that works."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import COMMAND, Home
from .terminal import DELETE, DOWN, ENTER, INTERRUPT, UP, Terminal

Open = Callable[..., Terminal]
ACTIVATED = """
import asyncio
from nemo_relay import ScopeType, plugin, scope

async def main():
    async with plugin.activate({}):
        with scope.scope("planner", ScopeType.Agent):
            pass

asyncio.run(main())
"""
OWNED = """\
# mine
version = 1 # one

[[components]]
kind = "observability"
x-note = "kept"

[components.config.atof] # raw events
filename = "events.jsonl"   # as it is
unheard_of = 1
output_directory = "here"

[[components]]
kind = "pricing"
enabled = false
"""


@pytest.fixture
def edit(home: Home) -> Iterator[Open]:
    made = []

    def start(*words: str, columns: int = 100, **env: str) -> Terminal:
        command = [*COMMAND, "plugins", "edit", *words]
        terminal = Terminal(command, home.project, {**home.environment, **env}, columns)
        made.append(terminal)
        return terminal

    yield start
    for terminal in made:
        terminal.close()


def project_file(home: Home, text: str | None = None) -> Path:
    path = home.project / ".nemo-relay" / "plugins.toml"
    if text is not None:
        path.parent.mkdir()
        path.write_text(text)
    return path


def typed(terminal: Terminal, name: str, value: str) -> None:
    """On a section's page, move to a line and give it a value."""
    terminal.press(ENTER)
    terminal.until("Enter takes it")
    terminal.press(value, ENTER)
    terminal.until("Enter takes it", gone=True)
    terminal.until(value)


def test_the_journey_s_file_from_the_editor(home: Home, edit: Open) -> None:
    terminal = edit("--project")
    terminal.until_line("Observability", "[off]")
    terminal.press(ENTER)
    terminal.until_line("Observability", "[on]")
    terminal.press(DOWN, ENTER)
    terminal.until("Observability > ATOF")
    terminal.press(" ")
    terminal.until("requires at least one configured sink")
    terminal.press("j")
    typed(terminal, "output_directory", ".nemo-relay/atof")
    terminal.until("requires at least one configured sink", gone=True)
    terminal.press(DOWN)
    typed(terminal, "filename", "events.jsonl")
    terminal.press(DOWN, ENTER)
    terminal.until("│  overwrite")
    terminal.press(DOWN, ENTER)
    terminal.until('"overwrite"')
    terminal.press("q")
    terminal.until_line("ATOF", "[on] output_directory, filename, mode")
    terminal.press(DOWN, ENTER)
    terminal.until("Observability > ATIF")
    terminal.press(ENTER)
    terminal.until_line("enabled", "[on]")
    terminal.press(*[DOWN] * 6)
    typed(terminal, "output_directory", ".nemo-relay/atif")
    terminal.press(DOWN)
    typed(terminal, "filename_template", "trajectory-{session_id}.json")
    terminal.press("p")  # W23: from every page
    terminal.until('filename_template = "trajectory-{session_id}.json"')
    terminal.press("q")
    terminal.until("Esc back", gone=True)
    terminal.press("s")
    assert terminal.wait() == 0, terminal.text
    assert f"Saved {project_file(home)}" in terminal.text.replace("\n", "")
    atof, atif = (tomllib.loads(project_file(home).read_text())["components"][0]["config"][k] for k in ("atof", "atif"))
    assert atof == {
        "enabled": True,
        "output_directory": ".nemo-relay/atof",
        "filename": "events.jsonl",
        "mode": "overwrite",
    }
    assert atif["filename_template"] == "trajectory-{session_id}.json"
    done = home.run("plugins", "validate")
    assert (done.returncode, "error" in done.stdout) == (0, False), done.stdout
    subprocess.run([sys.executable, "-c", ACTIVATED], cwd=home.project, env=home.environment, check=True)
    assert (home.project / ".nemo-relay" / "atof" / "events.jsonl").read_text().count("planner") == 2
    assert len(list((home.project / ".nemo-relay" / "atif").glob("trajectory-*.json"))) == 1


def test_w23_comments_and_unknown_keys_are_kept_and_no_error_loses_anything(home: Home, edit: Open) -> None:
    path = project_file(home, OWNED)
    terminal = edit("--project")
    terminal.until_line("Observability", "[on]")
    terminal.press(DOWN, ENTER)
    terminal.until("unheard_of")
    terminal.press(*[DOWN] * 3, ENTER, DOWN, ENTER)
    terminal.until('"overwrite"')
    terminal.press("q", UP, UP, UP, UP, UP)  # from the second line up, over the top
    terminal.until("Cancel")
    terminal.press("s")
    assert terminal.wait() == 0, terminal.text
    kept = OWNED.replace('output_directory = "here"\n', 'output_directory = "here"\nmode = "overwrite"\n')
    assert path.read_text() == kept


def test_w23_a_wrong_value_is_told_where_it_is_typed(home: Home, edit: Open, tmp_path: Path) -> None:
    env = installed_plugin(tmp_path)
    terminal = edit("--project", **env)
    terminal.until("Acme.policy")
    while "Acme's rules." not in terminal.text:
        terminal.press(DOWN)
        terminal.settle()
    terminal.press(DOWN, ENTER)
    terminal.until("Acme.policy > Rules")
    terminal.press(ENTER)
    terminal.until("at most so many")
    terminal.press("many", ENTER)
    terminal.until("'many' is not a whole number")
    terminal.press(*["\x7f"] * 4, "3", ENTER)
    terminal.until_line("limit", "3")
    terminal.press("u")
    terminal.until_line("limit", "10 (default)")
    terminal.press(ENTER, "4", ENTER)
    terminal.until_line("limit", "4")
    terminal.press(DELETE)
    terminal.until_line("limit", "10 (default)")
    terminal.press(ENTER, "5", ENTER)
    terminal.until_line("limit", "5")
    terminal.press("s")
    assert terminal.wait() == 0, terminal.text
    written = tomllib.loads(project_file(home).read_text())
    assert written["components"] == [{"kind": "acme.policy", "config": {"rules": {"limit": 5}}}]
    shown = home.run("plugins", "get", "acme.policy.rules.limit", env=env)
    assert shown.stdout == "5\n", shown.stderr


def test_leaving_without_saving_leaves_the_file(home: Home, edit: Open) -> None:
    path = project_file(home, OWNED)
    terminal = edit("--project")
    terminal.until_line("Observability", "[on]")
    terminal.press(ENTER)
    terminal.until_line("Observability", "[off]")
    terminal.press(INTERRUPT)
    terminal.until("Leave without saving?")
    terminal.press(DOWN, ENTER)
    assert terminal.wait() == 1
    assert "plugin edit cancelled; no config saved" in terminal.text
    assert path.read_text() == OWNED


def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(home: Home, edit: Open) -> None:
    path = project_file(home, OWNED)
    terminal = edit("--project")
    terminal.until_line("Observability", "[on]")
    path.write_text(OWNED + "# theirs\n")
    terminal.press(ENTER, "s")
    terminal.until("is not written: somebody else")
    assert path.read_text() == OWNED + "# theirs\n"


def test_the_keys_fit_a_narrow_terminal(edit: Open) -> None:
    terminal = edit("--project", columns=60)
    terminal.until("q back")
    terminal.press("?")
    terminal.until("undo the last change")


def test_the_user_s_file_is_the_default_and_scopes_exclude_each_other(home: Home, edit: Open) -> None:
    terminal = edit()
    terminal.until("Editing ~/.config/nemo-relay/plugins.toml")
    assert home.run("plugins", "edit", "--user", "--project").returncode == 2
    done = home.run("plugins", "edit", "--project")
    assert (done.returncode, "requires a TTY" in done.stderr) == (1, True)


def installed_plugin(folder: Path) -> dict[str, str]:
    """A component of somebody else, as pip would have installed it."""
    metadata = folder / "acme-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[nemo_relay.plugins]\nacme.policy = acme_policy\n")
    (folder / "acme_policy.py").write_text(
        """
def schema():
    limit = {"type": "integer", "default": 10, "description": "at most so many"}
    rules = {"type": "object", "properties": {"limit": limit}}
    return {"type": "object", "description": "Acme's rules.", "properties": {"rules": rules}}


def register(config, context):
    pass
"""
    )
    return {"PYTHONPATH": str(folder)}
