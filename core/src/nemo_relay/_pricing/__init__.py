# SPDX-License-Identifier: Apache-2.0
"""The price table behind `nemo_relay.model_pricing`."""
