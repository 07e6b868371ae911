# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a replay, and what went wrong in the run that is replayed."""

from __future__ import annotations

from functools import lru_cache


class ReplayMiss(LookupError):
    """A call that the recording does not have. The message shows the nearest one that it has, and the difference.

    Attributes:
        kind: ``llm`` or ``tool``.
        name: of the call.
        nearest: the uuid of the nearest recorded call of that name; None when there is none.
    """

    def __init__(self, kind: str, name: str, nearest: str | None, difference: str) -> None:
        where = f"the nearest is {nearest}:\n{difference}" if nearest else "and none of that name is left"
        super().__init__(f"no recorded {kind} call {name!r} like this one is left; {where}")
        self.kind, self.name, self.nearest = kind, name, nearest


class RecordedError(Exception):
    """What a recorded call raised. The class that is raised has the recorded type's name and is one of this.

    Attributes:
        type_name: the recorded type's name.
    """

    type_name = "RecordedError"


@lru_cache(maxsize=256)
def _named(type_name: str) -> type[RecordedError]:
    return type(type_name, (RecordedError,), {"type_name": type_name, "__module__": RecordedError.__module__})


def recorded(type_name: str, message: str) -> RecordedError:
    """The error of a recorded call."""
    return _named(type_name if type_name.isidentifier() else "RecordedError")(message)
