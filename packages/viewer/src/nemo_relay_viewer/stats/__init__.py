# SPDX-License-Identifier: Apache-2.0
"""Statistics over many files: one small object a file, which add up on one machine or on many."""

from .measure import Figures, Statistics, measure, of_folder
from .table import write_parquet

__all__ = ["Figures", "Statistics", "measure", "of_folder", "write_parquet"]
