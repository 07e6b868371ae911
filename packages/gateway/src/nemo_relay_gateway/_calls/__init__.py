# SPDX-License-Identifier: Apache-2.0
"""One provider call on its way through: the bytes, and the record that is written beside them."""
