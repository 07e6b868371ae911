# SPDX-License-Identifier: Apache-2.0
"""The configuration of NeMo Relay: documents in layers, what is wrong with them, and the schema they follow.

``sources`` finds and merges the layers, ``checking`` and ``validation`` judge them, ``observability`` is about the
component of that name. Nothing is activated here: the plugin host, ``nemo_relay.plugin``, does that.
"""
