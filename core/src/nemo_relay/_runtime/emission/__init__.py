# SPDX-License-Identifier: Apache-2.0
"""From "it happened" to "deliver": starts, ends and marks become events, and pass what may change them."""
