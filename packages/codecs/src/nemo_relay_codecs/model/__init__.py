# SPDX-License-Identifier: Apache-2.0
"""The one view that every codec reads into: requests, responses, parts, media, token counts, savings."""
