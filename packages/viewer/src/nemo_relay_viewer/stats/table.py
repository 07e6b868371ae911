# SPDX-License-Identifier: Apache-2.0
"""Spans as a table in a Parquet file, for DuckDB, pandas, Spark and whatever a team queries with."""

from __future__ import annotations

import os
from collections.abc import Iterable
from math import isnan
from pathlib import Path
from typing import Any

from ..index import Index, open_index
from ..index.table import MARK
from ..index.verdict import failure_text
from ..source import plain

_BATCH = 20_000


def write_parquet(paths: Iterable[str | os.PathLike[str]], out: str | os.PathLike[str]) -> int:
    """Write one row a span; files are read one after the other, rows are written some thousand at a time.

    Args:
        paths: ATOF files.
        out: the Parquet file.

    Returns:
        How many rows were written.

    Raises:
        ImportError: ``nemo-relay-viewer[parquet]`` is not installed.
        OSError: a file cannot be read or written.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ImportError(
            "a Parquet file needs pyarrow: pip install --find-links dist 'nemo-relay-viewer[parquet]>=0.12'"
        ) from None
    time = pyarrow.timestamp("ns", "UTC")
    text, count, real = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
    texts = ("file", "uuid", "parent_uuid", "root_uuid", "kind", "name", "model", "outcome", "error")
    columns = [(name, text) for name in texts] + [("start", time), ("end", time), ("duration_ns", count)]
    columns += [(name, count) for name in ("tokens_in", "tokens_out", "tokens_cached", "tokens_written")]
    schema = pyarrow.schema([*columns, ("cost_usd", real)])
    written = 0
    with pyarrow.parquet.ParquetWriter(os.fspath(out), schema) as writer:
        for path in paths:
            with plain(Path(path)) as file:
                index = open_index(file)
                rows = [row for row in range(len(index)) if not index.flags[row] & MARK]
                for first in range(0, len(rows), _BATCH):
                    records = [_record(index, row, os.fspath(path)) for row in rows[first : first + _BATCH]]
                    writer.write_table(pyarrow.Table.from_pylist(records, schema=schema))
                    written += len(records)
    return written


def _record(index: Index, row: int, path: str) -> dict[str, Any]:
    root = next((above for above in reversed(list(index.ancestors(row)))), row)
    llm = index.text(index.category[row]) == "llm"
    return {
        "file": path,
        "uuid": index.uuids[row],
        "parent_uuid": index.uuids[index.parent[row]] if index.parent[row] >= 0 else None,
        "root_uuid": index.uuids[root],
        "kind": index.text(index.category[row]),
        "name": index.text(index.name[row]),
        "model": index.text(index.model[row]) or None,
        "outcome": index.text(index.outcome[row]),
        "error": failure_text(index, row) or None,
        "start": index.start[row] if index.start[row] >= 0 else None,
        "end": index.end[row] if index.end[row] >= 0 else None,
        "duration_ns": index.duration(row),
        "tokens_in": index.tokens_in[row] if llm else None,
        "tokens_out": index.tokens_out[row] if llm else None,
        "tokens_cached": index.cached[row] if llm else None,
        "tokens_written": index.written[row] if llm else None,
        "cost_usd": None if isnan(index.cost[row]) else index.cost[row],
    }
