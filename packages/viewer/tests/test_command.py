# SPDX-License-Identifier: Apache-2.0
"""`python -m nemo_relay_viewer`."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nemo_relay_viewer.command_line import main
from nemo_relay_viewer.commands import SUMMARIES

from .streams import weather


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in weather()), encoding="utf-8")
    return file


def test_a_file(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(recorded), "--width", "100"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("◆ agent weather")
    assert "graph.route" not in shown
    assert main([str(recorded), "--all"]) == 0
    assert "graph.route" in capsys.readouterr().out


def test_the_file_of_the_current_directory(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(recorded.parent)
    assert main([]) == 2
    assert "there is no file '.nemo-relay/atof/events.jsonl'. Record a run first" in capsys.readouterr().err
    Path(".nemo-relay/atof").mkdir(parents=True)
    recorded.rename(".nemo-relay/atof/events.jsonl")
    assert main([]) == 0


def test_a_torn_file_is_shown(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with recorded.open("a") as file:
        file.write('{"kind": "scope", "scope_cat')
    assert main([str(recorded)]) == 0
    assert "1 line could not be read: 17" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"hello\nworld\n", "none of its 2 lines is an event"),
        (b"\x00\xff\n", "none of its 1"),
    ],
)
def test_what_is_no_recording(tmp_path: Path, content: bytes, problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "other"
    file.write_bytes(content)
    assert main([str(file)]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert "events.jsonl" in error


def test_a_directory_is_its_newest_run(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = tmp_path / "older.jsonl"
    old.write_text('{"kind": "scope", "scope_category": "start", "uuid": "1", "name": "old"}\n')
    os.utime(old, (1, 1))
    assert main(["show", str(tmp_path)]) == 0
    assert "agent weather" in capsys.readouterr().out
    assert main([str(tmp_path / "nothing")]) == 2
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty")]) == 2
    assert f"there is no file '{tmp_path / 'empty'}'" in capsys.readouterr().err


def test_a_compressed_file(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = recorded.with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(recorded.read_bytes()))
    assert main([str(packed)]) == 0
    assert "agent weather" in capsys.readouterr().out
    packed.write_bytes(gzip.compress(b"\n" * 3_000_000))
    assert main([str(packed)]) == 2
    assert "is not unpacked" in capsys.readouterr().err


def test_standard_input(recorded: Path) -> None:
    command = [sys.executable, "-m", "nemo_relay_viewer", "-", "--width", "100"]
    done = subprocess.run(command, input=recorded.read_bytes(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "get_weather" in done.stdout.decode()


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in SUMMARIES:
        assert f"  {name} " in shown
        with pytest.raises(SystemExit) as stop:
            main([name, "--help"])
        assert stop.value.code == 0


def test_the_screen_needs_a_terminal(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", str(recorded)]) == 2
    assert "view needs a terminal" in capsys.readouterr().err


def test_a_picture_file(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "tree.svg"
    assert main([str(recorded), "--svg", str(out), "--width", "90"]) == 0
    assert capsys.readouterr().out == f"wrote {out}\n"
    picture = out.read_text(encoding="utf-8")
    assert picture.startswith("<svg")
    assert "get_weather" in picture
    assert picture.count("://") == 1  # the XML namespace, which nobody fetches
    assert "@font-face" not in picture


def test_a_picture_that_cannot_be_written(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(recorded), "--svg", str(tmp_path / "no" / "tree.svg")]) == 2
    assert "no file" in capsys.readouterr().err


@pytest.mark.parametrize("width", ["5", "many"])
def test_an_impossible_width(recorded: Path, width: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(recorded), "--width", width])
    assert stop.value.code == 2


def test_a_reader_that_stops_reading(recorded: Path) -> None:
    many = recorded.read_text(encoding="utf-8")
    roots = [many.replace('"uuid": "', f'"uuid": "{n}-') for n in range(400)]
    recorded.write_text("".join(roots), encoding="utf-8")
    command = [sys.executable, "-m", "nemo_relay_viewer", str(recorded)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith("◆".encode())
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r"])
def test_names_that_the_terminal_cannot_write(recorded: Path, encoding: str) -> None:
    text = recorded.read_text(encoding="utf-8").replace('"weather"', '"Wetter → Zürich 天気 \U0001f600"')
    recorded.write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "nemo_relay_viewer", str(recorded), "--width", "100"]
    done = subprocess.run(command, env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "agent Wetter ? Z" in done.stdout.decode(encoding)


def test_a_transcript_of_another_tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = {"sessionId": "s", "timestamp": "2026-01-01T00:00:00Z"}
    said = {
        "id": "m",
        "model": "claude",
        "content": [{"type": "text", "text": "hi"}],
        "usage": {"input_tokens": 7, "output_tokens": 2},
    }
    lines = [
        {**own, "type": "user", "message": {"content": "hello"}},
        {**own, "type": "assistant", "message": said},
        {**own, "type": "mode"},
    ]
    file = tmp_path / "session.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(["show", str(file), "--width", "100"]) == 0
    assert "7 → 2" in capsys.readouterr().out
    assert main(["import", str(file), "-o", str(tmp_path / "events.jsonl")]) == 0
    assert "4 events of 3 records (claude-code)\n  1 left out: type mode" in capsys.readouterr().out
    assert main(["import", str(file), "-o", str(file)]) == 2
    assert main(["import", str(file), "--format", "tarot"]) == 2
    assert "format must be one of" in capsys.readouterr().err
