# SPDX-License-Identifier: Apache-2.0
"""What a pipeline makes of events: spans, log records, metrics."""
