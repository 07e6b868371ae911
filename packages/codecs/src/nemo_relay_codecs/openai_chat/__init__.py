# SPDX-License-Identifier: Apache-2.0
"""OpenAI Chat Completions, and the many that speak it: request, response, stream."""
