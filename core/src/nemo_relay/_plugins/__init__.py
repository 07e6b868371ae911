# SPDX-License-Identifier: Apache-2.0
"""The plugin host: documents, layers, kinds, validation, activation. Its public face is ``nemo_relay.plugin``."""
