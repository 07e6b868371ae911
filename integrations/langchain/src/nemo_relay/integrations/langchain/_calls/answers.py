# SPDX-License-Identifier: Apache-2.0
"""What the framework answered inside a managed call, and which of it the application gets in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nemo_relay.integrations.langchain._alignment import copied, is_same_json


class Given(NamedTuple):
    """One answer of the framework.

    Attributes:
        view: what intercepts and observers got to see of it.
        before: a copy of that; the view itself where nobody was there who could have changed it.
        original: the framework's own object.
        handed: what carried the view to them.
    """

    view: Any
    before: Any
    original: Any
    handed: Any


class Answers:
    """The answers of one managed call: of several attempts the last ones, of a stream the latest chunk."""

    __slots__ = ("_given", "_latest")

    def __init__(self, *, latest: bool = False) -> None:
        self._given: list[Given] = []
        self._latest = latest

    def show(self, view: Any, original: Any, *, shaped: bool, handed: Any = None) -> None:
        """Note that ``original`` was answered, and is shown as ``view``.

        Args:
            view: what intercepts and observers see.
            original: the framework's own object.
            shaped: whether anybody is there who could change the view.
            handed: what carries the view; the view itself when None.
        """
        if self._latest:
            self._given.clear()
        self._given.append(Given(view, copied(view) if shaped else view, original, view if handed is None else handed))

    def reconcile(
        self,
        answer: Any,
        edit: Callable[[Given, Any], Any],
        substitute: Callable[[Any], Any],
        *,
        handed: Any = None,
        alike: bool = True,
    ) -> Any:
        """The very object that the framework answered, unless an intercept changed it or put another in its place.

        Args:
            answer: the view that came back through the intercepts.
            edit: makes the object that an edited view shows.
            substitute: makes the object for what is no view of an answer.
            handed: what came back, with the answer in it.
            alike: whether an object with the members of the latest view is an edit of it.
        """
        for given in reversed(self._given):
            if answer is given.view or (handed is not None and handed is given.handed):
                untouched = given.view is given.before is answer or is_same_json(answer, given.before)
                return given.original if untouched else edit(given, answer)
            if is_same_json(answer, given.before):
                return given.original
        if alike and self._given and _has_members_of(answer, self._given[-1].before):
            return edit(self._given[-1], answer)
        return substitute(answer)


def _has_members_of(answer: Any, view: Any) -> bool:
    return isinstance(answer, dict) and isinstance(view, dict) and answer.keys() == view.keys()
