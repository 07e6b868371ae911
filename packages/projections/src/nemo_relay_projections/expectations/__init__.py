# SPDX-License-Identifier: Apache-2.0
"""What a stream of events is expected to be: a tree of a given shape, and lifecycles that hold. ``nemo_relay.testing``
offers it."""
