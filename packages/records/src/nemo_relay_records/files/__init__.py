# SPDX-License-Identifier: Apache-2.0
"""The one way to open, write and replace a file of ours: events, trajectories, logs."""
