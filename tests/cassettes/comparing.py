# SPDX-License-Identifier: Apache-2.0
"""What an application got, in a form in which two runs can be compared."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import BaseMessage
from pydantic import BaseModel


def plain(value: Any) -> Any:
    """A result without what is made up anew in each run: ids that neither the provider nor the program gave."""
    if isinstance(value, BaseMessage):
        return type(value).__name__, plain(value.model_dump(exclude={"id"}))
    if isinstance(value, BaseModel):
        return type(value).__name__, value.model_dump()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value
