# SPDX-License-Identifier: Apache-2.0
"""Configuration: the section's models, their checks, and what becomes of them."""
