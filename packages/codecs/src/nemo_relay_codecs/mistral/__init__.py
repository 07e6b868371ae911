# SPDX-License-Identifier: Apache-2.0
"""Mistral's chat completions, which differ from OpenAI's in content parts and calls: request, stream."""
