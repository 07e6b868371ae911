# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay``: record and control agents from the command line."""

from __future__ import annotations

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-cli needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay-cli>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-cli")

from nemo_relay_cli.app import main

__all__ = ["main"]
