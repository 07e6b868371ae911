# SPDX-License-Identifier: Apache-2.0
"""Gemini ``generateContent``: request, response, stream."""
