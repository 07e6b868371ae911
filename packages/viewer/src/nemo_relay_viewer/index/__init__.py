# SPDX-License-Identifier: Apache-2.0
"""Where each span of a file stands: offsets, times, names, counts. Payloads stay on the disk until looked at."""

from .build import open_index, update
from .table import Index

__all__ = ["Index", "open_index", "update"]
