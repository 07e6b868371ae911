# SPDX-License-Identifier: Apache-2.0
"""`python -m nemo_relay_viewer COMMAND FILE`."""

from .command_line import main

if __name__ == "__main__":
    raise SystemExit(main())
