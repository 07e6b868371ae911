# SPDX-License-Identifier: Apache-2.0
"""Cohere Chat, second version: request, response, stream."""
