# SPDX-License-Identifier: Apache-2.0
"""The version of all distributions of this repository."""

__version__ = "0.12.0"
