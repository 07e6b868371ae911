# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a store."""

from __future__ import annotations


class StorageError(OSError):
    """A document was not stored. The text names the store and never shows a credential."""
