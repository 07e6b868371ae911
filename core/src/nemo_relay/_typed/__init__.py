# SPDX-License-Identifier: Apache-2.0
"""What ``nemo_relay.typed`` is made of."""
