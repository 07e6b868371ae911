# SPDX-License-Identifier: Apache-2.0
"""What a model was told and what it said: messages of every provider in one shape, and what is new in each request."""

from .messages import Message, Part, asked, offered, said
from .newness import Request, Step, compared, difference, predecessor, steps

__all__ = [
    "Message",
    "Part",
    "Request",
    "Step",
    "asked",
    "compared",
    "difference",
    "offered",
    "predecessor",
    "said",
    "steps",
]
