# SPDX-License-Identifier: Apache-2.0
"""What the environment and a TOML file may say, and what happens when they say something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_relay._runtime.log import config as logconfig
from nemo_relay._runtime.log.record import DEBUG, WARN
from nemo_relay.errors import LoggingError, RelayError

from .processes import config, records, run

PREFIX = "failed to initialize NeMo Relay operational logging: "

WRONG = [
    ({"NEMO_RELAY_LOG": ""}, "NEMO_RELAY_LOG must not be empty when set"),
    ({"NEMO_RELAY_LOG_STDERR": ""}, "NEMO_RELAY_LOG_STDERR must not be empty when set"),
    ({"NEMO_RELAY_LOG_STDERR_FORMAT": ""}, "NEMO_RELAY_LOG_STDERR_FORMAT must not be empty when set"),
    ({"NEMO_RELAY_LOG_CONFIG_PATH": ""}, "NEMO_RELAY_LOG_CONFIG_PATH must not be empty when set"),
    ({"NEMO_RELAY_LOG": "off"}, "invalid logging level 'off'; expected error, warn, info, debug, or trace"),
    ({"NEMO_RELAY_LOG": " "}, "invalid logging level ''; expected error, warn, info, debug, or trace"),
    ({"NEMO_RELAY_LOG_STDERR_FORMAT": "x"}, "invalid logging format 'x'; expected human or jsonl"),
    ({"NEMO_RELAY_LOG_STDERR": "off"}, "invalid NEMO_RELAY_LOG_STDERR value 'off'; expected true or false"),
    ({"NEMO_RELAY_LOG_CONFIG_PATH": "rel.toml"}, "logging configuration path must be absolute: rel.toml"),
    (
        {"NEMO_RELAY_LOG_CONFIG_PATH": "/nowhere.txt"},
        "logging configuration path must identify a .toml file: /nowhere.txt",
    ),
    (
        {"NEMO_RELAY_LOG_CONFIG_PATH": "/nowhere/at-all.toml"},
        "failed to read logging configuration /nowhere/at-all.toml: No such file or directory (os error 2)",
    ),
    (
        {"NEMO_RELAY_LOG_CONFIG_PATH": "/x.toml", "NEMO_RELAY_LOG_STDERR": "1"},
        "NEMO_RELAY_LOG_CONFIG_PATH cannot be combined with NEMO_RELAY_LOG or NEMO_RELAY_LOG_STDERR or "
        "NEMO_RELAY_LOG_STDERR_FORMAT",
    ),
]


@pytest.mark.parametrize(("environ", "detail"), WRONG, ids=[detail[:40] for _, detail in WRONG])
def test_a_wrong_setting_is_named(environ: dict[str, str], detail: str) -> None:
    with pytest.raises(RuntimeError) as refused:
        logconfig.from_environment(environ)
    assert str(refused.value) == f"{PREFIX}invalid argument: {detail}"
    assert isinstance(refused.value, (LoggingError, RelayError))


def test_a_wrong_setting_stops_the_import() -> None:
    done = run("try:\n    import nemo_relay\nexcept RuntimeError as error:\n    print(error)", NEMO_RELAY_LOG="loud")
    assert done.stdout.startswith(f"{PREFIX}invalid argument: invalid logging level 'loud'")


@pytest.mark.parametrize(("text", "level"), [("warning", 1), (" TRACE ", 4), ("Error", 0)])
def test_levels_are_read_with_any_case_and_blanks(text: str, level: int) -> None:
    assert logconfig.from_environment({"NEMO_RELAY_LOG": text}).level == level


@pytest.mark.parametrize(("text", "enabled"), [("TRUE", True), (" 1 ", True), ("false", False), ("0", False)])
def test_standard_error_can_be_switched_off(text: str, enabled: bool) -> None:
    assert logconfig.from_environment({"NEMO_RELAY_LOG_STDERR": text}).stderr_enabled is enabled


SINK = '[logging]\n[[logging.sinks]]\npath = "/var/log/a.log"\n'
WRONG_FILES = [
    ("", "invalid argument: logging configuration requires a [logging] section"),
    ("x = ", "TOML parse error: "),
    ('[logging]\nlevel = "off"', "invalid argument: invalid logging level 'off'; expected"),
    ("[logging]\nlevel = 3", "invalid value for level: 3, expected a string"),
    ("[logging]\nbogus = 1", "unknown field `bogus`, expected one of `level`, `stderr_enabled`,"),
    ("[logging]\nflush_interval_millis = -1", "invalid value for flush_interval_millis: -1, expected an unsigned"),
    ('[logging]\nstderr_enabled = "x"', "invalid value for stderr_enabled: 'x', expected a boolean"),
    ("[[logging.sinks]]", "invalid argument: logging sink requires path"),
    ('[[logging.sinks]]\npath = " "', "invalid argument: logging sink path must not be empty"),
    (f"{SINK}bogus = 1", "unknown field `bogus`, expected one of `path`, `level`, `format`,"),
    (f"{SINK}queue_capacity = 0", "invalid argument: logging sink queue_capacity must be greater than 0"),
    (
        f"{SINK}queue_capacity = 8193",
        "invalid argument: logging sink queue_capacity 8193 exceeds maximum 8192 entries per file sink",
    ),
    (
        f"{SINK}retained_files = 1",
        "invalid argument: logging sink max_file_size_bytes and retained_files must be configured together",
    ),
    (
        f"{SINK}max_file_size_bytes = 9\nretained_files = 10",
        "invalid argument: logging sink retained_files 10 exceeds maximum 9 backup files per sink",
    ),
    (
        f"{SINK}max_file_size_bytes = 9\nretained_files = 0",
        "invalid argument: logging sink retained_files must be greater than 0",
    ),
    (f"{SINK}{SINK[10:]}", "duplicate logging sink path /var/log/a.log"),
]


@pytest.mark.parametrize(("text", "detail"), WRONG_FILES, ids=[detail[:50] for _, detail in WRONG_FILES])
def test_a_wrong_file_is_named_with_what_is_wrong(text: str, detail: str, tmp_path: Path) -> None:
    path = config(tmp_path, text)
    with pytest.raises(LoggingError) as refused:
        logconfig.from_environment({"NEMO_RELAY_LOG_CONFIG_PATH": path})
    assert str(refused.value).startswith(f"{PREFIX}invalid argument: invalid logging configuration in {path}: {detail}")


def test_a_file_that_cannot_be_opened_stops_the_import(tmp_path: Path) -> None:
    path = config(tmp_path, f'[[logging.sinks]]\npath = "{tmp_path}"')
    done = run("import nemo_relay", NEMO_RELAY_LOG_CONFIG_PATH=path)
    assert done.returncode == 1
    assert f"{PREFIX}failed to open logging sink {tmp_path}: Is a directory (os error 21)" in done.stderr


def test_a_sink_inherits_the_level(tmp_path: Path) -> None:
    path = config(
        tmp_path,
        '[logging]\nlevel = "debug"\n[[logging.sinks]]\npath = "a"\n[[logging.sinks]]\npath = "b"\nlevel = "warn"',
    )
    settings = logconfig.from_file(path)
    assert [sink.level for sink in settings.sinks] == [DEBUG, WARN]
    assert all(Path(sink.path).is_absolute() for sink in settings.sinks)


def test_without_settings_nothing_is_opened_started_or_said() -> None:
    code = (
        "import os, sys, threading\n"
        "before = sorted(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else []\n"
        "import nemo_relay\n"
        "after = sorted(os.listdir('/proc/self/fd')) if before else []\n"
        "print(before == after, threading.active_count(), 'nemo_relay._runtime.log.config' in sys.modules)\n"
        "nemo_relay.warn('not shown')\n"
    )
    done = run(code)
    assert (done.stdout, done.stderr) == ("True 1 False\n", "")


def test_the_initial_record_is_on_standard_error() -> None:
    done = run("import nemo_relay", NEMO_RELAY_LOG="info", NEMO_RELAY_LOG_STDERR_FORMAT="jsonl")
    assert '"event":"logging_initialized"' in done.stderr
    assert [record["event"] for record in records(done.stderr)] == ["logging_initialized", "logging_shutdown_started"]
    assert records(done.stderr)[0]["fields"] == {"file_sink_count": 0}
