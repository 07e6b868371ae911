# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay plugins``: the file keeps what its owner wrote, and is never written wrong."""

from __future__ import annotations

import json
import tomllib

import pytest

from .conftest import Home

OWNED = """\
# mine
version = 1 # one

[[components]]
kind = "observability"
x-note = "kept"

[components.config.atof] # raw events
filename = "events.jsonl"   # as it is

[[components]]
kind = "pricing"
enabled = false
"""


def test_the_journey_s_file_from_a_script(home: Home) -> None:
    for name, value in (
        ("observability.atof.output_directory", ".nemo-relay/atof"),
        ("observability.atof.filename", "events.jsonl"),
        ("observability.atof.mode", "overwrite"),
        ("observability.atif.output_directory", ".nemo-relay/atif"),
        ("observability.atif.filename_template", "trajectory-{session_id}.json"),
    ):
        done = home.run("plugins", "set", name, value, "--project")
        assert done.returncode == 0, done.stderr
    written = tomllib.loads((home.project / ".nemo-relay" / "plugins.toml").read_text())
    assert [component["kind"] for component in written["components"]] == ["observability"]
    assert written["components"][0]["config"]["atof"]["mode"] == "overwrite"
    assert "on  observability" in home.run("plugins", "list").stdout
    assert home.run("plugins", "validate").returncode == 0


def test_w23_comments_order_and_unknown_keys_are_kept(home: Home) -> None:
    path = home.project / ".nemo-relay" / "plugins.toml"
    path.parent.mkdir()
    path.write_text(OWNED)
    assert home.run("plugins", "set", "observability.atof.mode", "append").returncode == 0
    changed = OWNED.replace("# as it is\n", '# as it is\nmode = "append"\n')
    assert path.read_text() == changed
    assert home.run("plugins", "get", "observability.atof").stdout == '{"filename": "events.jsonl", "mode": "append"}\n'
    assert home.run("plugins", "unset", "observability.atof.mode").returncode == 0
    assert path.read_text() == OWNED


def test_lists_are_named_by_their_numbers(home: Home) -> None:
    name = "observability.opentelemetry.traces.0.endpoint"
    home.run("plugins", "set", "observability.atof.sinks.0.type", "file")
    shown = tomllib.loads((home.project / ".nemo-relay" / "plugins.toml").read_text())
    assert shown["components"][0]["config"]["atof"]["sinks"] == [{"type": "file"}]
    assert home.run("plugins", "get", name).returncode == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("set", "observability.atof.mode", "sideways"), "'append' or 'overwrite'"),
        (("set", "nobody.enabled", "true"), "nobody"),
        (("set", "observability", "1"), "name a value in it"),
        (("set", "observability.atof.filename.deep.er", "1"), "not a table"),
        (("set", "observabilty.enabled", "true"), "did you mean 'observability'"),
        (("unset", "observability.nothing"), "has no observability.nothing"),
    ],
)
def test_a_file_that_would_be_wrong_is_not_written(home: Home, words: tuple[str, ...], text: str) -> None:
    path = home.project / ".nemo-relay" / "plugins.toml"
    path.parent.mkdir()
    path.write_text(OWNED)
    done = home.run("plugins", *words)
    assert done.returncode == 1
    assert text in done.stderr
    assert path.read_text() == OWNED


def test_a_file_that_is_no_toml_is_named(home: Home) -> None:
    path = home.project / ".nemo-relay" / "plugins.toml"
    path.parent.mkdir()
    path.write_text("version = = 1")
    done = home.run("plugins", "set", "observability.enabled", "true")
    assert (done.returncode, str(path) in done.stderr) == (1, True)


def test_scopes_have_their_own_files(home: Home) -> None:
    assert home.run("plugins", "set", "observability.enabled", "true", "--user").returncode == 0
    assert (home.home / ".config" / "nemo-relay" / "plugins.toml").exists()
    assert json.loads(home.run("plugins", "get", "observability.enabled", "--user").stdout) is True


@pytest.mark.parametrize(
    "text",
    [
        'components = [{kind = "observability"}]\n',
        'components = [{kind = "pricing"}]\n',
        "components = []\n",
        "# only a comment\n",
        'version = 1\r\n\r\n[[components]]\r\nkind = "observability"\r\n',
        'version = 1\n[[components]]\nkind = "observability"\nconfig.atif.agent_name = "a"',
        '[[components]]\nkind = "observability"\n[components.config]\natof = {filename = "a.jsonl"}\n',
        '[policy]\nunknown_field = "warn"\n',
    ],
)
def test_w23_whatever_way_a_file_is_written_a_value_finds_its_place(home: Home, text: str) -> None:
    path = home.project / ".nemo-relay" / "plugins.toml"
    path.parent.mkdir()
    path.write_bytes(text.encode())
    for name in ("atof.output_directory", "atof.sinks.0.type", "atif.output_directory"):
        done = home.run("plugins", "set", f"observability.{name}", "file")
        assert done.returncode == 0, done.stderr
    written = path.read_bytes().decode()
    (found,) = (one for one in tomllib.loads(written)["components"] if one["kind"] == "observability")
    assert found["config"]["atof"]["sinks"] == [{"type": "file"}]
    assert found["config"]["atif"]["output_directory"] == "file"
    assert all(line in written for line in text.splitlines() if line.startswith(("#", "version", "[policy]")))
    assert ("\r\n" in written) is ("\r\n" in text)


def test_a_file_that_is_a_link_stays_one(home: Home) -> None:
    path, real = home.project / ".nemo-relay" / "plugins.toml", home.home / "dotfiles.toml"
    path.parent.mkdir()
    real.write_text("version = 1\n")
    real.chmod(0o600)
    path.symlink_to(real)
    assert home.run("plugins", "set", "observability.enabled", "true").returncode == 0
    assert path.is_symlink()
    assert ("observability" in real.read_text(), real.stat().st_mode & 0o777) == (True, 0o600)
    assert [one.name for one in path.parent.iterdir()] == ["plugins.toml"]
