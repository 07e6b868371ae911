# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay``: record and control agents from the command line."""

from __future__ import annotations

from nemo_relay_cli.app import main

__all__ = ["main"]
