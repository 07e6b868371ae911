# SPDX-License-Identifier: Apache-2.0
"""Scopes and managed calls: guardrails, intercepts and the callback, in the order the engine runs them."""
