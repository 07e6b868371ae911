# SPDX-License-Identifier: Apache-2.0
"""What guardrails and intercepts get of a tool call and of an LLM call, and what becomes of their answers."""
