# SPDX-License-Identifier: Apache-2.0
"""The interactive screen: `python -m nemo_relay_viewer view FILE`."""
