# SPDX-License-Identifier: Apache-2.0
"""``python -m nemo_relay.integrations.langchain run app.py``."""

from __future__ import annotations

import sys

from nemo_relay.integrations.langchain._record.launch import main

if __name__ == "__main__":
    sys.exit(main())
