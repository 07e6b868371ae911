# SPDX-License-Identifier: Apache-2.0
"""The engine behind `nemo_relay.codecs`: readers, merge-back, stream assembly, usage."""
