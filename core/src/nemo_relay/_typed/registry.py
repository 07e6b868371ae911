# SPDX-License-Identifier: Apache-2.0
"""Classes by token, for as long as this process uses them: how a best-effort value finds its type again."""

from __future__ import annotations

from weakref import WeakValueDictionary

_types: WeakValueDictionary[str, type] = WeakValueDictionary()


def register_runtime_type(cls: type) -> str:
    """The token of ``cls``: ``<module>.<qualname>:<id>``. Two classes of the same name have two tokens."""
    token = f"{cls.__module__}.{cls.__qualname__}:{id(cls)}"
    _types[token] = cls
    return token


def resolve_runtime_type(token: object) -> type | None:
    """The class of ``token``; None for what is no token, or names a class that is gone or of another process."""
    return _types.get(token) if isinstance(token, str) else None
