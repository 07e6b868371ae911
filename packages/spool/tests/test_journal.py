# SPDX-License-Identifier: Apache-2.0
"""The queue on disk: bounded, whole lines only, and a journal has one owner."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nemo_relay_spool.counters import Counters, Diagnostics
from nemo_relay_spool.journal import Journal
from small_disk import fill, small_disk


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def journal(folder: Path, size: int = 1 << 20, segment: int = 4096) -> tuple[Journal, Counters]:
    counters = Counters()
    return Journal(folder, counters, Diagnostics("spool", "Spool"), size, segment), counters


def test_a_full_spool_loses_its_oldest_and_counts_them(tmp_path: Path) -> None:
    made, counters = journal(tmp_path, size=5 * 4096)
    lines = [f'{{"n":{number}}}'.encode().ljust(100) + b"\n" for number in range(1000)]
    for line in lines:
        made.offer(line)
    left = made.take(10_000, 1 << 30)
    assert [line + b"\n" for line in left] == lines[-len(left) :]
    assert counters.lost == counters.dropped == 1000 - len(left)
    assert 100 < len(left) < 300
    assert sum(path.stat().st_size for path in files(tmp_path)) < 7 * 4096
    assert made.unsettled() == len(left)
    made.acknowledge({})
    assert made.unsettled() == 0


def test_a_segment_that_is_dropped_while_it_is_read_is_not_counted_twice(tmp_path: Path) -> None:
    made, counters = journal(tmp_path, size=5 * 4096)
    taken = 0
    for number in range(3000):
        made.offer(f'{{"n":{number}}}'.encode().ljust(100) + b"\n")
        if number % 7 == 0:
            taken += len(made.take(3, 1 << 20))
    taken += len(made.take(10_000, 1 << 30))
    assert taken + counters.lost == 3000


def test_a_torn_line_is_left_out(tmp_path: Path) -> None:
    made, _ = journal(tmp_path)
    made.offer(b'{"n":1}\n')
    os.write(made._fd, b'{"n":')
    made.abandon()
    other, _ = journal(tmp_path)
    (orphan,) = other.orphans()
    assert orphan.take(10, 1 << 20) == [b'{"n":1}']
    assert orphan.take(10, 1 << 20) == []
    orphan.done()
    other.close()
    assert not files(tmp_path)


def test_a_living_process_keeps_its_journal(tmp_path: Path) -> None:
    made, _ = journal(tmp_path)
    made.offer(b'{"n":1}\n')
    code = (
        "import sys; from pathlib import Path; from nemo_relay_spool.counters import Counters, Diagnostics\n"
        "from nemo_relay_spool.journal import Journal\n"
        "print(len(list(Journal(Path(sys.argv[1]), Counters(), Diagnostics('spool', 'Spool'), 1 << 20).orphans())))"
    )
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert found.stdout == "0\n", found.stderr
    made.close()


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [f'{{"n":{number}}}'.encode().ljust(99) + b"\n" for number in range(first, first + count)]


@pytest.mark.parametrize("room_again", [True, False])
def test_what_a_full_disk_does_not_take_waits_in_memory(tmp_path: Path, room_again: bool) -> None:
    with small_disk(tmp_path / "small", 256) as disk:
        counters, diagnostics = Counters(), Diagnostics("spool", "Spool")
        made = Journal(disk / "spool", counters, diagnostics, 1 << 20)
        lines = numbered(900)
        for line in lines[:300]:
            made.offer(line)
        ballast = fill(disk)
        for line in lines[300:600]:
            made.offer(line)
        assert counters.spooled < 600
        if room_again:
            ballast.unlink()
        for line in lines[600:]:
            made.offer(line)
        assert (made.unsettled(), counters.dropped, counters.offered) == (900, 0, 900)
        assert (counters.spooled == 900) is room_again
        assert [entry.code for entry in diagnostics.entries] == ["spool.spool_write_failed"]
        taken: list[bytes] = []
        while len(taken) < 900:
            found = made.take(64, 1 << 20)
            assert found
            taken += found
            made.acknowledge({})
        assert [line + b"\n" for line in taken] == lines
        assert made.unsettled() == 0
        made.close()
        assert counters.dropped == 0


def test_what_never_got_to_the_disk_and_did_not_arrive_is_counted_and_told(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 64) as disk:
        counters, diagnostics = Counters(), Diagnostics("spool", "Spool")
        made = Journal(disk / "spool", counters, diagnostics, 1 << 20)
        fill(disk)
        for line in numbered(300):
            made.offer(line)
        spooled = counters.spooled
        assert spooled < 300
        made.close(complete=False)
        assert counters.dropped == 300 - spooled
        assert {entry.code: entry.count for entry in diagnostics.entries}["spool.spool_lost"] == 300 - spooled
