# SPDX-License-Identifier: Apache-2.0
"""Which agent scopes are open, for as long as somebody wants to know.

Nobody keeps a list otherwise. Scopes that are open already are found among the objects of the process, once.
"""

from __future__ import annotations

import gc

from nemo_relay._runtime.enums import ScopeType
from nemo_relay._runtime.managed import scope
from nemo_relay._runtime.tree.spans import ScopeHandle

_MANY = 4_096


class OpenAgents:
    """The agent scopes that are open, between ``watch`` and ``unwatch``; one watcher in a process at a time.

    >>> from nemo_relay import ScopeType, scope
    >>> agents = scope.OpenAgents()
    >>> agents.watch()
    >>> with scope.scope("planner", ScopeType.Agent):
    ...     print([agent.name for agent in agents.open()])
    ['planner']
    >>> agents.unwatch()
    """

    __module__ = "nemo_relay.scope"

    def __init__(self) -> None:
        self._known: dict[int, ScopeHandle] = {}

    def watch(self) -> None:
        """Begin: hear of the scopes that open from now on."""
        scope.opened = self._add

    def find(self) -> None:
        """Find those that were open before. It looks at every object there is, so not on an event loop's thread."""
        for one in gc.get_objects():
            if type(one) is ScopeHandle:
                self._add(one)

    def unwatch(self) -> None:
        """End; nothing is held any more."""
        if scope.opened == self._add:
            scope.opened = None
        self._known = {}

    def open(self) -> list[ScopeHandle]:
        """Those that are open now."""
        for key, span in list(self._known.items()):
            if not span.is_open:
                self._known.pop(key, None)
        return list(self._known.values())

    def _add(self, span: ScopeHandle) -> None:
        # A root stands for a process or a context, not for an agent.
        if span.scope_type is not ScopeType.Agent or span.parent_span is None or not span.is_open:
            return
        self._known[id(span)] = span
        if len(self._known) > _MANY:
            self.open()
