# SPDX-License-Identifier: Apache-2.0
"""What a shared state raises.

::

    StateError
    ├── InvalidState       ValueError: the settings of a state cannot be used
    └── StateUnavailable   ConnectionError: the server did not answer
"""

from __future__ import annotations


class StateError(Exception):
    """A shared state cannot do what it was asked."""


class InvalidState(StateError, ValueError):
    """The settings of a state cannot be used; the text names the setting."""


class StateUnavailable(StateError, ConnectionError):
    """The server of a state did not answer; where it is stands in the text, its password does not."""
