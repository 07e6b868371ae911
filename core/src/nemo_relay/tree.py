# SPDX-License-Identifier: Apache-2.0
"""The tree of a run, from its events: nodes with their children and marks. A pure function."""

from nemo_relay._projections.facts import Tokens
from nemo_relay._projections.nodes import Forest, Mark, Node
from nemo_relay._projections.tree import Eventlike, build
from nemo_relay._runtime.exports import claim

__all__ = ["Eventlike", "Forest", "Mark", "Node", "Tokens", "build"]

claim(globals())
