# SPDX-License-Identifier: Apache-2.0
"""The provider request as middleware sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class LLMRequest:
    """One request to a model provider: ``headers`` (a dict; other mappings are copied) and ``content`` (any JSON).

    Both are kept by identity and can be read, not assigned:

    >>> request = LLMRequest({"x-team": "red"}, {"model": "m-1", "messages": []})
    >>> request.content["model"]
    'm-1'

    Raises:
        TypeError: ``headers`` is no mapping.
    """

    __slots__ = ("_content", "_headers")

    def __init__(self, headers: Mapping[str, Any], content: Any) -> None:
        if not isinstance(headers, dict):
            if not isinstance(headers, Mapping):
                raise TypeError(f"not an instance of 'dict': LLMRequest headers are {headers!r}")
            headers = dict(headers)
        self._headers = headers
        self._content = content

    @property
    def headers(self) -> dict[str, Any]:
        """The headers, by identity."""
        return self._headers

    @property
    def content(self) -> Any:
        """The body, by identity."""
        return self._content

    def __repr__(self) -> str:
        # Headers carry credentials and bodies carry prompts: neither belongs in a traceback.
        return "LLMRequest(...)"
