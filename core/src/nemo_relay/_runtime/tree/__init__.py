# SPDX-License-Identifier: Apache-2.0
"""Where work stands: spans, the position of a context, and how a position travels to threads and processes."""
