# SPDX-License-Identifier: Apache-2.0
"""The framework's runs: which there are, what they are called, how they end, and the spans they have."""
