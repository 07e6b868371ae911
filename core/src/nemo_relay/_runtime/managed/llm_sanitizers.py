# SPDX-License-Identifier: Apache-2.0
"""What observers see of an LLM call's request and response: no credentials, and what sanitizers let through."""

from __future__ import annotations

from collections.abc import Generator
from functools import lru_cache
from typing import Any

from nemo_relay._runtime import guard
from nemo_relay._runtime.checks import expect
from nemo_relay._runtime.emission.publish import Sanitize, Step
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.managed import annotations as annotating
from nemo_relay._runtime.managed.codec_context import LlmRequestContext, LlmResponseContext
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree.spans import LLMHandle
from nemo_relay_codecs.request import LLMRequest
from nemo_relay_records.encoding import encode, strict


def without_credentials(headers: dict[str, Any]) -> dict[str, Any]:
    """``headers`` without those that carry credentials, in whatever spelling."""
    from nemo_relay_records.redaction.names import is_secret_header  # patterns take a while to load

    return {key: value for key, value in headers.items() if not is_secret_header(key)}


# Names of headers that were seen to be harmless: they repeat, and a look at a set is all that most requests then cost.
_harmless: set[object] = set()


def presentable(headers: dict[str, Any]) -> dict[str, Any]:
    """The same for an encoder, which needs no copy of headers that may all be shown."""
    if headers.keys() <= _harmless:
        return headers
    shown = without_credentials(headers)
    if len(_harmless) > 1_024:
        _harmless.clear()
    _harmless.update(shown)
    return shown


@lru_cache(maxsize=1_024)  # the names of headers repeat
def lowered(name: object) -> str:
    """The name of a header, in lower case."""
    return str(name).lower()


def request_sanitizer(span: LLMHandle, codec: Any) -> Sanitize | None:
    """The request sanitizers as part of the publication chain; None where there are none."""
    entries = registry.visible(registry.llm_request_sanitizers, span)
    if not entries:
        return None

    def sanitize(record: dict[str, Any]) -> Generator[Step, Any, None]:
        shown = LLMRequest(record["data"]["headers"], record["data"]["content"])
        before = encode(record["data"])
        for entry in entries:
            try:
                answer = yield entry.fn, (shown, LlmRequestContext(codec))[: 2 - entry.form]
                if answer is None:
                    _omit(record, "annotated_request")
                    return
                expect(answer, LLMRequest)
                record["data"] = {"content": answer.content, "headers": without_credentials(answer.headers)}
                strict(record["data"])
                shown = answer
            except BaseException as error:
                guard.pass_on(error)
                _omit(record, "annotated_request")
                _complain("request", entry.name, error)
                return
        if codec is not None and encode(record["data"]) != before:
            record["category_profile"].pop("annotated_request", None)
            annotated = annotating.decoded(codec, shown)
            if annotated is not None:
                record["category_profile"]["annotated_request"] = annotating.plain(annotated)

    return sanitize


def response_sanitizer(span: LLMHandle, codec: Any, fallback: Any, *, interrupted: bool) -> Sanitize | None:
    """The response sanitizers as part of the publication chain; None where there are none."""
    entries = registry.visible(registry.llm_response_sanitizers, span)
    if not entries:
        return None

    def sanitize(record: dict[str, Any]) -> Generator[Step, Any, None]:
        before = encode(record["data"])
        for entry in entries:
            try:
                answer = yield entry.fn, (record["data"], LlmResponseContext(codec))[: 2 - entry.form]
                if answer is None:
                    _omit(record, "annotated_response")
                    return
                strict(answer)
                record["data"] = answer
            except BaseException as error:
                guard.pass_on(error)
                _omit(record, "annotated_response")
                _complain("response", entry.name, error)
                return
        if record["data"] is None and fallback is not None:
            record["data"] = fallback
        profile = record["category_profile"]
        if encode(record["data"]) != before:  # an annotation made of the original would show what was cleaned
            profile.pop("annotated_response", None)
        if "annotated_response" not in profile:
            annotated = annotating.response(codec, record["data"], span, interrupted=interrupted)
            if annotated is not None:
                profile["annotated_response"] = annotating.plain(annotated)

    return sanitize


def _omit(record: dict[str, Any], annotation: str) -> None:
    record["data"] = None
    if record["category_profile"]:
        record["category_profile"].pop(annotation, None)


def _complain(side: str, sanitizer: str, error: BaseException) -> None:
    faults.write(f"nemo_relay: Python LLM sanitize {side} callable failed: {faults.describe(error)}")
    faults.report(f"llm_{side}_sanitizer_failed", error, sanitizer=sanitizer)
