# SPDX-License-Identifier: Apache-2.0
"""Projections: pure functions over the event stream."""
