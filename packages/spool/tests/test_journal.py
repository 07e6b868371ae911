# SPDX-License-Identifier: Apache-2.0
"""The queue on disk: bounded, whole lines only, and a journal has one owner."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from nemo_relay_spool.counters import Counters, Diagnostics
from nemo_relay_spool.journal import Journal


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
