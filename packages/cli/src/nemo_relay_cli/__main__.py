# SPDX-License-Identifier: Apache-2.0
"""``python -m nemo_relay_cli``."""

from __future__ import annotations

from nemo_relay_cli.app import main

if __name__ == "__main__":
    main()
