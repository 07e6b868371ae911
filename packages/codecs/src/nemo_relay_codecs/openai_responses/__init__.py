# SPDX-License-Identifier: Apache-2.0
"""OpenAI Responses: request, response, stream."""
