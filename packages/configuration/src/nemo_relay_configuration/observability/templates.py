# SPDX-License-Identifier: Apache-2.0
"""Names of trajectory files: ``filename_template``, checked when it is configured and filled in for every session.

``{session_id}`` is the uuid of the session's scope, ``{metadata.a.b}`` a text from the metadata that it started with,
``{metadata.a.b:-other}`` the same with a word for when there is none. Whatever is filled in can neither leave the
directory nor make a folder.
"""

from __future__ import annotations

import re
from typing import Any

_PLACEHOLDER = re.compile(r"\{metadata\.([^{}]*?)(?::-([^{}]*))?\}")
_PATH = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_UNSAFE = re.compile(r"(?:[^A-Za-z0-9._~-]|\.{2,})+")


class Unnamed(ValueError):
    """A session that the template makes no name for; the text says why."""


def template_problem(template: str) -> str | None:
    """What is wrong with a template; None when nothing is."""
    if "{session_id}" not in template:
        return "must contain '{session_id}'"
    for found in _PLACEHOLDER.finditer(template):
        path, fallback = found[1], found[2]
        if not _PATH.fullmatch(path):
            placeholder = f"{{metadata.{path}}}"
            rule = "must contain a dot-separated path of ASCII letters, digits, '-' or '_'"
            return f"metadata placeholder {placeholder!r} {rule}"
        if fallback is not None and not _is_safe(fallback):
            return f"fallback {fallback!r} must be a path-safe relative fragment"
    rest = _PLACEHOLDER.sub("x", template)
    if "{metadata." in rest:
        return "contains an unclosed metadata placeholder"
    return None if _is_safe(rest.replace("{session_id}", "x")) else "must be a path-safe relative path"


def rendered(template: str, session_id: str, metadata: Any) -> str:
    """The name of the file of a session.

    Raises:
        Unnamed: the metadata has not what the template asks for.
    """

    def filled(found: re.Match[str]) -> str:
        return _from_metadata(found[1], found[2], metadata)

    return _PLACEHOLDER.sub(filled, template).replace("{session_id}", _clean(session_id))


def _from_metadata(path: str, fallback: str | None, metadata: Any) -> str:
    placeholder = f"filename_template placeholder '{{metadata.{path}}}'"
    value = metadata
    for key in path.split("."):
        if value is None:
            break
        if not isinstance(value, dict):
            raise Unnamed(f"{placeholder} traversed a non-object value")
        value = value.get(key)
    if value is None:
        if fallback is None:
            raise Unnamed(f"{placeholder} must resolve to a string")
        return fallback
    if not isinstance(value, str):
        raise Unnamed(f"{placeholder} resolved to a non-string value")
    if not value:
        raise Unnamed(f"metadata path '{path}' must be a path-safe relative fragment")
    return _clean(value)


def _clean(text: str) -> str:
    clean = _UNSAFE.sub("-", text)
    return "-" if clean == "." else clean


def _is_safe(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return "\0" not in path and bool(path) and not any(part in ("", ".", "..") for part in parts)
