# SPDX-License-Identifier: Apache-2.0
"""Anthropic Messages, also as Vertex AI and Bedrock carry it: request, response, stream."""
