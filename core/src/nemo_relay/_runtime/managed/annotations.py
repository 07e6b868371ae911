# SPDX-License-Identifier: Apache-2.0
"""The normalised views of LLM calls inside events: decoding them for observers, and how much history they repeat.

Codecs are imported only when a call names one. Decoding for observers never fails the call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nemo_relay._runtime.emission.marks import owning_agent
from nemo_relay._runtime.log import faults
from nemo_relay._runtime.registry import registry
from nemo_relay._runtime.tree.spans import LLMHandle, Span
from nemo_relay_codecs.request import LLMRequest

# Set by the observability component: record every request whole, however often its history has been recorded.
full_payloads = False


def observed(codec: Any, request: LLMRequest, parent: Span) -> Any:
    """The normalised request, where somebody hears of it."""
    if codec is None or hasattr(codec, "recorded_request") or registry.audience(parent) is None:
        return None
    return decoded(codec, request)


def decoded(codec: Any, request: LLMRequest) -> Any:
    """The normalised request, or None where the codec cannot read it."""
    try:
        return codec.decode(request)
    except Exception as error:
        faults.report("managed_llm_request_codec_failed", error, codec=type(codec).__name__)
        return None


def response(codec: Any, payload: Any, span: LLMHandle, *, interrupted: bool) -> Any:
    """The normalised response with what optimisations saved; None where there is neither."""
    annotated = None
    if codec is not None and payload is not None:
        try:
            annotated = codec.decode_response(payload)
        except Exception as error:
            faults.report("managed_llm_response_codec_failed", error, codec=type(codec).__name__)
    return summed_up(annotated, span, interrupted=interrupted)


def summed_up(annotated: Any, span: LLMHandle, *, interrupted: bool) -> Any:
    """``annotated`` with its cost, and with the summary of the call's optimisation contributions, if it has any."""
    if annotated is not None:
        annotated = _priced(annotated, span)
    if span.contributions is None:
        return annotated
    from nemo_relay._runtime.managed.contributions import attach

    return attach(span, annotated, interrupted=interrupted)


def _priced(annotated: Any, span: LLMHandle) -> Any:
    from nemo_relay_codecs.model.response import AnnotatedLLMResponse
    from nemo_relay_codecs.prices.price import with_cost

    if not isinstance(annotated, AnnotatedLLMResponse):  # a codec of the application may have a view of its own
        return annotated
    try:
        return with_cost(annotated, span.name)
    except Exception as error:
        faults.report("llm_pricing_failed", error, span=span.name)
        return annotated


def resolve(codec: Any) -> Any:
    """``codec``, or the one of that name where it is a string. None where nobody has the name: that is reported, and
    the call goes on without one, whether anybody listens or not.
    """
    if not isinstance(codec, str):
        return codec
    from nemo_relay_codecs.surfaces import resolve as by_name

    try:
        return by_name(codec)
    except LookupError as error:
        faults.report("managed_llm_codec_unknown", error, codec=codec)
        return None


def encoded(codec: Any, annotated: Any, request: LLMRequest) -> LLMRequest:
    """``request`` with the edits of ``annotated``.

    A codec that fails where nothing was edited loses nothing but itself: the request goes out as it is. An edit that
    it cannot express must not be dropped in silence: it may be what a policy asked for.
    """
    try:
        made: LLMRequest = codec.encode(annotated, request)
        return LLMRequest({**made.headers, **request.headers}, made.content)
    except Exception as error:
        if not _is_unedited(codec, annotated, request):
            raise
        faults.report("managed_llm_request_codec_failed", error, codec=type(codec).__name__)
        return request


def _is_unedited(codec: Any, annotated: Any, request: LLMRequest) -> bool:
    try:
        return bool(plain(annotated) == plain(codec.decode(request)))
    except Exception:
        return False


def checked_response(annotated: Any, span: LLMHandle) -> Any:
    """The normalised response that a caller gave: an ``AnnotatedLLMResponse``, or a mapping of its attributes.

    A mapping that is what the event shows, to which nothing is to be added, need not become an annotation and again
    what it was.

    Raises:
        ValueError: it is neither, or malformed.
    """
    if type(annotated) is dict and span.contributions is None and (shown := _event_form(annotated)) is not None:
        return shown
    from nemo_relay_codecs.model.response import AnnotatedLLMResponse

    if isinstance(annotated, AnnotatedLLMResponse):
        return annotated
    if not isinstance(annotated, Mapping):
        raise ValueError(f"invalid annotated_response: expected an object, got {annotated!r}")
    try:
        return AnnotatedLLMResponse.from_event(dict(annotated))
    except (TypeError, ValueError) as error:
        raise ValueError(f"invalid annotated_response: {error}") from None


def _event_form_first(annotated: dict[str, Any]) -> Any:
    """Load what the first normalised response takes."""
    global _event_form
    from nemo_relay_codecs.model.media import by_reference
    from nemo_relay_codecs.model.response_checks import is_event_form
    from nemo_relay_codecs.prices.table import is_active

    def event_form(annotated: dict[str, Any]) -> Any:
        return None if is_active() or not is_event_form(annotated) else by_reference(annotated)

    _event_form = event_form
    return event_form(annotated)


_event_form: Callable[[dict[str, Any]], Any] = _event_form_first


def plain(annotated: Any) -> Any:
    """The form that an event carries."""
    to_event = getattr(annotated, "to_event", None)
    return annotated if to_event is None else to_event()


def contribute(span: LLMHandle, contributions: list[dict[str, Any]], ns: int) -> None:
    """Emit the optimisation contributions of request intercepts as marks, and keep them for the end event."""
    from nemo_relay._runtime.managed.contributions import emit

    emit(span, contributions, ns)


def consume_freshness(parent: Span) -> bool:
    """Whether the owning agent's history has not been recorded since it started or was compacted; now it has."""
    agent: Any = parent if parent.category == "agent" else owning_agent(parent)
    fresh: bool = agent.fresh
    agent.fresh = False
    return fresh or full_payloads


def recorded(codec: Any, request: LLMRequest) -> Any:
    """The body and its normalised form as the event is to carry them, where the codec itself knows what history to
    repeat; None where it does not.
    """
    make = getattr(codec, "recorded_request", None)
    if make is None:
        return None
    try:
        return make(request)
    except Exception as error:
        faults.report("projection_failed", error, codec=type(codec).__name__)
        return None


def recorded_response(codec: Any, response: Any) -> Any:
    """The response as its event is to carry it; the response itself unless the codec has such a form."""
    make = getattr(codec, "recorded_response", None)
    if make is None or response is None:
        return response
    try:
        return make(response)
    except Exception as error:
        faults.report("projection_failed", error, codec=type(codec).__name__)
        return None  # why it was to look different we cannot know: better nothing than too much
