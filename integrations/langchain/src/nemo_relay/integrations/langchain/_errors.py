# SPDX-License-Identifier: Apache-2.0
"""What middleware of the application may ask of the adapter that it cannot do, and the verdict "ask a human".

::

    nemo_relay.errors.RelayError
    └── EditError                   RuntimeError
        ├── UnsupportedEdit         an intercept's edit that this request, model or result has no form for
        ├── EmptyRequestError       an intercept left a model nothing to answer
        └── UnknownSubstitute       an intercept's own result that is no answer of a model
"""

from __future__ import annotations

from typing import Self

from nemo_relay import guardrails
from nemo_relay.errors import RelayError


class EditError(RelayError, RuntimeError):
    """An intercept asked for something that cannot be carried out. The model or the tool was not called."""


class UnsupportedEdit(EditError):
    """An edit that has no form here.

    Attributes:
        what: the part of the request or result that was edited.
    """

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"unsupported edit of {what}: {why}")
        self.what = what


class EmptyRequestError(EditError):
    """An intercept removed every message of a request."""

    def __init__(self) -> None:
        super().__init__("an intercept removed every message of the request; refuse the call with a guardrail instead")


class UnknownSubstitute(EditError):
    """A value that an execution intercept returned in place of a model's answer, and that is none."""

    def __init__(self, value: object) -> None:
        super().__init__(
            f"an execution intercept answered for the model with {type(value).__name__!r}, which is no answer of a"
            " model; return a string, a message, or the response document of a provider"
        )


class Ask(guardrails.Reason):
    """The verdict of a conditional guardrail that does not refuse, but wants a human to decide.

    A tool guardrail returns it in place of a reason. Where the run cannot pause it counts as a refusal.

    >>> from nemo_relay import guardrails
    >>> guardrails.register_tool_conditional_execution(
    ...     "big-sums", 10, lambda name, args: Ask("more than 100") if args.get("amount", 0) > 100 else None)
    >>> guardrails.deregister_tool_conditional_execution("big-sums")
    True
    """

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, text, asks=True)
