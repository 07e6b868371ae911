# SPDX-License-Identifier: Apache-2.0
"""Where a document comes from: files in layers, values from elsewhere, and what of it is never shown."""
