# SPDX-License-Identifier: Apache-2.0
"""Hosts' sessions as scopes: turns, subagents, tools; where a provider call belongs among them."""
