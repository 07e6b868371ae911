# SPDX-License-Identifier: Apache-2.0
"""What the process, its children and the machine use. The public face is ``nemo_relay.resource_metrics``."""
