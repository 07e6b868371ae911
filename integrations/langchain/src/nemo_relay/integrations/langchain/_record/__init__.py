# SPDX-License-Identifier: Apache-2.0
"""Who listens: the callback handler, and the ways by which runs get it."""
