# SPDX-License-Identifier: Apache-2.0
"""The ``observability`` component: from a document to files, trajectories and back ends. Its public face is
``nemo_relay.observability``."""
