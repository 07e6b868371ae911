# SPDX-License-Identifier: Apache-2.0
"""Record the cassettes and their golden files anew. `make cassettes` runs this; doing it twice changes no byte."""

from __future__ import annotations

import logging
import os

# Before LangChain is imported: tracing of the developer's own would reach for the network, and be recorded.
os.environ.update(LANGSMITH_TRACING="false", LANGCHAIN_TRACING_V2="false")

from recordings.library import record_all
from recordings.stage import FOLDER


def main() -> None:
    logging.getLogger("vcr").setLevel(logging.ERROR)
    for name in record_all(FOLDER):
        print(name)
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"{FOLDER.name}/: {size / 1_000:.0f} kB; look at what changed before you commit it")


if __name__ == "__main__":
    main()
