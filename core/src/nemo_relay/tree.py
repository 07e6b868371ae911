# SPDX-License-Identifier: Apache-2.0
"""The tree of a run, from its events: nodes with their children and marks. A pure function."""

from nemo_relay._runtime.exports import claim
from nemo_relay_projections.facts import Tokens
from nemo_relay_projections.nodes import Forest, Mark, Node
from nemo_relay_projections.tree import Eventlike, build

__all__ = ["Eventlike", "Forest", "Mark", "Node", "Tokens", "build"]

claim(globals())
