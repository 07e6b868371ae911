# SPDX-License-Identifier: Apache-2.0
"""Carrying out edits: from what an intercept wrote into a view to the objects that the framework works on."""
