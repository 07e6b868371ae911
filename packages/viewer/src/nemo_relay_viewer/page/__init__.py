# SPDX-License-Identifier: Apache-2.0
"""A run as one HTML file: nothing is loaded, and the browser itself keeps what a run brought harmless."""

from .build import Page, write_page

__all__ = ["Page", "write_page"]
