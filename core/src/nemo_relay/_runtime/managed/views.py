# SPDX-License-Identifier: Apache-2.0
"""Views for middleware: a copy it may change at will, and the question whether it did.

An intercept works on a copy of the containers; everything else in it is the application's own object. What it leaves
unchanged is replaced by the original again, so a callee gets the very object its caller passed.
"""

from __future__ import annotations

from typing import Any

from nemo_relay_codecs.request import LLMRequest


def copy_json(value: Any) -> Any:
    """``value`` with its dicts and lists copied and everything else by identity.

    A value that contains itself, or is deeper than Python can go, comes as it is: the call must not fail for the view.
    """
    if type(value) is not dict and type(value) is not list:
        return value
    try:
        return _copy(value)
    except RecursionError:
        return value


def _copy(container: Any) -> Any:
    made = container.copy()
    for key, item in made.items() if type(made) is dict else enumerate(made):
        if type(item) is dict or type(item) is list:
            made[key] = _copy(item)
    return made


def same(left: Any, right: Any) -> bool:
    """Whether two values say the same: ``1``, ``1.0`` and ``True`` do not, nor do dicts in another order."""
    try:
        return left is right or _same(left, right)
    except RecursionError:
        return False


def _same(left: Any, right: Any) -> bool:
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is list:
        if len(left) != len(right):
            return False
        return all(item is other or _same(item, other) for item, other in zip(left, right, strict=False))
    if kind is not dict:
        return (kind is str or kind is int or kind is float or kind is bool) and bool(left == right)
    if len(left) != len(right):
        return False
    keys = iter(right)  # by hand: ``zip`` takes twice as long, and every layer of a call asks this once
    for key, item in left.items():
        other = next(keys, None)
        if key is not other and key != other:
            return False
        other = right[other]
        if item is not other and not _same(item, other):
            return False
    return True


class RequestView(LLMRequest):
    """A request for middleware; its parts are copied when they are first read."""

    __slots__ = ("original", "seen_content", "seen_headers")

    def __init__(self, original: LLMRequest) -> None:
        self.original = original
        self.seen_headers = self.seen_content = False

    @property
    def headers(self) -> dict[str, Any]:
        """A copy of the headers."""
        if not self.seen_headers:
            self._headers = copy_json(self.original.headers)
            self.seen_headers = True
        return self._headers

    @property
    def content(self) -> Any:
        """A copy of the body."""
        if not self.seen_content:
            self._content = copy_json(self.original.content)
            self.seen_content = True
        return self._content


def reconcile(request: LLMRequest, original: LLMRequest) -> LLMRequest:
    """What middleware made of ``original``, with every part it left unchanged by identity again."""
    if request is original:
        return original
    if isinstance(request, RequestView) and request.original is original:
        headers = request._headers if request.seen_headers else original.headers
        content = request._content if request.seen_content else original.content
    else:
        headers, content = request.headers, request.content
    same_headers = same(headers, original.headers)
    same_content = same(content, original.content)
    if same_headers and same_content:
        return original
    return LLMRequest(original.headers if same_headers else headers, original.content if same_content else content)
