# SPDX-License-Identifier: Apache-2.0
"""The record of what happened, and the line it is written as."""
