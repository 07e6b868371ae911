# SPDX-License-Identifier: Apache-2.0
"""Streamed calls: the iterator that a consumer pulls, where its producer stands, and how it ends."""
