# SPDX-License-Identifier: Apache-2.0
"""Large texts stand beside the log, each once; readers get the lines as they were emitted."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nemo_relay import ScopeType, convert, scope
from nemo_relay._runtime.delivery.file_sink import PackedSink
from nemo_relay.atof import AtofExporter, AtofExporterConfig, emitted_lines, prune_blobs, verify_chain
from nemo_relay.errors import SinkError
from nemo_relay.recording import rebuild, record
from nemo_relay_records.encoding import encode
from nemo_relay_records.files.blobs import Blobs, restored
from nemo_relay_records.files.places import Place

LARGE = "The quick brown fox — «jumps». \n" * 100


def packed(folder: Path, line: bytes, smallest: int = 256) -> bytes:
    return Blobs(Place(folder, "events.jsonl"), smallest, pytest.fail).packed(line)


def fail(text: str) -> None:
    raise AssertionError(text)


def test_a_text_that_comes_often_is_on_the_disk_once_and_everybody_reads_it(tmp_path: Path) -> None:
    with record(tmp_path, blob_bytes=1_000, hash_chain=True) as recording:
        with scope.scope("planner", ScopeType.Agent, input={"text": LARGE}):
            for _ in range(10):
                scope.event("again", data={"deep": [{"text": LARGE}], LARGE: "a key stays"})
    written = recording.events_path.read_bytes()
    blobs = list((tmp_path / "atof" / "blobs").iterdir())
    assert [blob.read_text() for blob in blobs] == [LARGE]
    assert stat.S_IMODE(blobs[0].stat().st_mode) == 0o600
    assert json.loads(written.splitlines()[0])["data"]["text"] == {
        "$blob": f"sha256:{blobs[0].name}",
        "bytes": len(LARGE.encode()),
    }
    assert verify_chain(recording.events_path).intact
    emitted = [json.loads(one) for one in emitted_lines(written.splitlines(keepends=True), tmp_path / "atof")]
    assert emitted[0]["data"]["text"] == LARGE
    assert emitted[3]["data"] == {"deep": [{"text": LARGE}], LARGE: "a key stays"}
    assert "prev" not in emitted[0]


def test_documents_made_live_and_later_have_the_text(tmp_path: Path) -> None:
    def run() -> None:
        from nemo_relay import tools

        with scope.scope("planner", ScopeType.Agent):
            tools.execute_sync("read", {"path": "a"}, lambda args: LARGE)

    with record(tmp_path, blob_bytes=500) as recording:
        run()
    live = recording.trajectories[0].read_text()
    assert json.dumps(LARGE, ensure_ascii=False)[1:-1] in live
    assert convert.to_atif(recording.events_path, tmp_path / "later").written[0].read_text() == live
    assert rebuild(tmp_path, everything=True).written[0].read_text() == live


@pytest.mark.parametrize("how", ["gone", "changed", "link", "folder"])
def test_a_text_that_is_not_there_any_more_is_told_and_counted(tmp_path: Path, how: str) -> None:
    with record(tmp_path, blob_bytes=500) as recording, scope.scope("planner", ScopeType.Agent, input={"t": LARGE}):
        pass
    (blob,) = (tmp_path / "atof" / "blobs").iterdir()
    other = tmp_path / "other"
    other.write_text(LARGE)
    if how == "changed":
        blob.write_bytes(b"y" * blob.stat().st_size)
    else:
        blob.unlink()
    if how == "link":
        blob.symlink_to(other)
    elif how == "folder":
        blob.mkdir()
    made = convert.to_atif(recording.events_path, tmp_path / "later")
    assert (made.count, made.missing, made.torn) == (1, 1, 0)
    lines = recording.events_path.read_bytes().splitlines(keepends=True)
    with pytest.raises(SinkError, match=f"blobs/{blob.name}"):
        list(emitted_lines(lines, tmp_path / "atof"))


def test_where_the_disk_takes_no_blob_the_text_stays_in_its_line(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("in the way")
    sink = PackedSink(Place(tmp_path, "events.jsonl"), 256)
    sink.offer(encode({"text": LARGE}) + b"\n")
    assert sink.flush()
    assert sink.counters()[1:] == (1, 0, 0, 0)
    assert sink.failure is None
    sink.close()
    assert json.loads((tmp_path / "events.jsonl").read_text()) == {"text": LARGE}


def test_a_blob_that_a_crash_cut_is_written_again(tmp_path: Path) -> None:
    line = encode({"text": LARGE})
    made = packed(tmp_path, line)
    (blob,) = (tmp_path / "blobs").iterdir()
    os.truncate(blob, 10)
    assert packed(tmp_path, line) == made
    assert restored(made, tmp_path, fail) == line


TEXTS = st.text(max_size=20).map(lambda text: text * 30) | st.text(max_size=5)
LOOKALIKES = st.fixed_dictionaries({"$blob": st.just("sha256:" + "0" * 64), "bytes": st.integers(0, 10**14)})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | LOOKALIKES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_whatever_is_packed_comes_back_byte_for_byte(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    folder = tmp_path_factory.getbasetemp() / "packed"
    line = encode({"data": value, "name": "n" * 300}) + b"\n"
    made = packed(folder, line)
    json.loads(made)
    assert json.loads(made)["name"] == "n" * 300
    assert restored(made, folder, fail) == line


def test_half_a_character_and_what_others_wrote(tmp_path: Path) -> None:
    half = b'{"text":"' + rb"\ud800" * 100 + b'"}\n'
    assert packed(tmp_path, half) == half
    foreign = rb'{"text": "' + rb"\u00e9\/" * 100 + b'"}\n'
    assert json.loads(restored(packed(tmp_path, foreign), tmp_path, fail)) == json.loads(foreign)


def test_sizes_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    config = AtofExporterConfig()
    config.output_directory, config.blob_bytes = str(tmp_path), 10
    with pytest.raises(ValueError, match="blob_bytes must be at least 256"):
        AtofExporter(config)


def test_texts_that_no_log_names_any_more_can_be_removed(tmp_path: Path) -> None:
    with record(tmp_path, blob_bytes=300, max_bytes=1_500, keep=1):
        for number in range(20):
            scope.event("noted", data={"text": f"{number} " * 300, "again": LARGE})
    blobs = tmp_path / "atof" / "blobs"
    assert len(list(blobs.iterdir())) == 21
    assert prune_blobs(tmp_path / "atof") == 0  # too young
    removed = prune_blobs(tmp_path / "atof", min_age=-1)
    assert 0 < removed < 20
    lines = [line for path in (tmp_path / "atof").glob("*.jsonl") for line in path.read_bytes().splitlines()]
    assert len(list(blobs.iterdir())) == 21 - removed == len(lines) + 1
    assert all(LARGE[:20].encode() in line for line in emitted_lines(lines, tmp_path / "atof"))
    (blobs / "mine").write_text("not ours")
    assert prune_blobs(tmp_path / "atof", min_age=-1) == prune_blobs(tmp_path / "nowhere") == 0
    assert (blobs / "mine").exists()
