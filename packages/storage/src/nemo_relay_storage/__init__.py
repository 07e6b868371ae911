# SPDX-License-Identifier: Apache-2.0
"""Where trajectories are kept beside the local file: the types of ``atif.storage`` entries.

Each type is a module with ``diagnose(entry)``, ``open(entry)`` and ``schema()``, found by the core in the entry-point
group ``nemo_relay.storage``. What ``open`` gives has ``put(name, content, session_id)``, which raises ``StorageError``.
"""

from __future__ import annotations

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-storage needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay-storage>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-storage")

from nemo_relay_storage.errors import StorageError

__all__ = ["StorageError"]
