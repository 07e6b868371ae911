# SPDX-License-Identifier: Apache-2.0
"""Records: a value as JSON (``encoding``), without its secrets (``redaction``), in files that lose nothing (``files``).

What turns what happened into a line on the disk, and knows nothing of scopes and calls. Nothing is loaded before it is
asked for.
"""
