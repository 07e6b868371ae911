# SPDX-License-Identifier: Apache-2.0
"""Carrying a position to another process: Relay's own form, and the W3C trace context."""

from __future__ import annotations

import json
from typing import Any

import pytest

import nemo_relay
from nemo_relay import PropagationContext, ScopeType, scope
from nemo_relay.errors import InvalidValue

from ..conftest import Ear

PARENT = "018f13f0-7c1a-7a80-8000-000000000701"
ROOT = "018f13f0-7c1a-7a80-8000-000000000700"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def bare(uuid: str) -> str:
    return uuid.replace("-", "")


def test_a_context_reads_back_and_travels_as_compact_json() -> None:
    made = PropagationContext(PARENT, ROOT, 1, TRACEPARENT, "a=b")
    assert (made.version, made.parent_uuid, made.root_uuid) == (1, PARENT, ROOT)
    assert (made.traceparent, made.tracestate) == (TRACEPARENT, "a=b")
    assert made.to_json() == (
        f'{{"version":1,"root_uuid":"{ROOT}","parent_uuid":"{PARENT}","traceparent":"{TRACEPARENT}","tracestate":"a=b"}}'
    )
    again = PropagationContext.from_json(made.to_json())
    assert again.to_json() == made.to_json()
    assert PropagationContext(PARENT).to_json() == f'{{"version":1,"parent_uuid":"{PARENT}"}}'
    with pytest.raises(AttributeError):
        made.parent_uuid = ROOT  # type: ignore[misc]


@pytest.mark.parametrize("form", [PARENT.upper(), bare(PARENT), f"{{{PARENT}}}", f"urn:uuid:{PARENT}"])
def test_every_way_to_write_a_uuid_is_read(form: str) -> None:
    assert PropagationContext(form).parent_uuid == PARENT


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (
            "not-a-uuid",
            r"invalid character: expected an optional prefix of `urn:uuid:` followed by \[0-9a-fA-F-\], found",
        ),
        ("", "invalid length: expected length 32 for simple format, found 0"),
        (PARENT[:-1], "invalid group length in group 4: expected 12, found 11"),
        ("00000000-0000-0000-0000-000000000000", "invalid argument: propagation context parent_uuid is not a usable"),
        (PARENT[:19] + "0000-000000000000", "invalid argument: propagation context parent_uuid is not a usable"),
    ],
)
def test_a_bad_uuid_is_refused_with_what_is_wrong(bad: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}"):
        PropagationContext(bad)


def test_only_version_one_is_known() -> None:
    with pytest.raises(ValueError, match="^invalid argument: unsupported propagation context version 2; expected 1$"):
        PropagationContext(PARENT, version=2)
    with pytest.raises(OverflowError):
        PropagationContext(PARENT, version=2**16)
    with pytest.raises(TypeError):
        PropagationContext(1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (f"  {TRACEPARENT} ", TRACEPARENT),
        (TRACEPARENT[:-2] + "ff", TRACEPARENT),
        (TRACEPARENT[:-2] + "02", TRACEPARENT[:-2] + "00"),
        ("01" + TRACEPARENT[2:] + "-later", TRACEPARENT),
        ("ff" + TRACEPARENT[2:], None),
        (TRACEPARENT + "-x", None),
        (TRACEPARENT.upper(), None),
        (TRACEPARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32), None),
        (TRACEPARENT.replace("00f067aa0ba902b7", "0" * 16), None),
        ("nonsense", None),
    ],
)
def test_a_traceparent_is_kept_only_where_it_is_valid(given: str, kept: str | None) -> None:
    assert PropagationContext(PARENT, traceparent=given).traceparent == kept


@pytest.mark.parametrize(
    ("state", "kept"),
    [(" a=b,c=d ", "a=b,c=d"), ("", None), ("a", None), ("a=", None), ("A=b", None), ("a=b,a=c", None), (",", None)],
)
def test_a_tracestate_is_kept_only_where_it_is_valid(state: str, kept: str | None) -> None:
    assert PropagationContext(PARENT, traceparent=TRACEPARENT, tracestate=state).tracestate == kept
    assert PropagationContext(PARENT, tracestate=state).tracestate is None, "and only beside a traceparent"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("{}", "missing field `version`"),
        ('{"version":1}', "missing field `parent_uuid`"),
        (f'{{"version":"1","parent_uuid":"{PARENT}"}}', 'invalid type: string "1", expected u16'),
        ('{"version":1,"parent_uuid":"zz"}', "UUID parsing failed: invalid character"),
        ("[]", ""),
        ("{", ""),
    ],
)
def test_a_bad_document_is_refused(document: str, text: str) -> None:
    with pytest.raises(ValueError, match="^invalid argument: invalid propagation context JSON: .*" + text) as caught:
        PropagationContext.from_json(document)
    assert isinstance(caught.value, InvalidValue)


def test_unknown_keys_and_a_null_root_are_fine() -> None:
    document = {"version": 1, "parent_uuid": PARENT, "root_uuid": None, "later": [1]}
    assert PropagationContext.from_json(json.dumps(document)).root_uuid is None


def test_the_header_of_a_context() -> None:
    assert PropagationContext(PARENT, traceparent=TRACEPARENT).to_traceparent() == TRACEPARENT
    assert PropagationContext(PARENT, ROOT).to_traceparent() == f"00-{bare(ROOT)}-{bare(PARENT)[16:]}-01"
    with pytest.raises(ValueError, match="^invalid argument: rootless propagation context cannot be converted to"):
        PropagationContext(PARENT).to_traceparent()


def test_a_position_is_captured_with_its_session_and_trace() -> None:
    with scope.scope("agent", ScopeType.Agent) as agent, scope.scope("inner", ScopeType.Function) as inner:
        header = f"00-{bare(agent.uuid)}-{bare(inner.uuid)[16:]}-01"
        here = nemo_relay.capture_propagation_context()
        assert (here.parent_uuid, here.root_uuid, here.traceparent) == (inner.uuid, agent.uuid, header)
        assert nemo_relay.capture_traceparent() == header
        rootless = nemo_relay.capture_rootless_propagation_context()
        assert (rootless.parent_uuid, rootless.root_uuid, rootless.traceparent) == (inner.uuid, None, None)
        rooted = nemo_relay.capture_propagation_context_with_root(ROOT)
        assert (rooted.parent_uuid, rooted.root_uuid, rooted.traceparent) == (inner.uuid, ROOT, None)
        assert nemo_relay.capture_propagation_context_with_root(None).root_uuid is None
        with pytest.raises(ValueError, match="invalid character"):
            nemo_relay.capture_propagation_context_with_root("nope")
        with pytest.raises((RuntimeError, ValueError), match="root_uuid is not a usable Relay identifier"):
            nemo_relay.capture_propagation_context_with_root("00000000-0000-0000-0000-000000000000")


def test_an_unusable_root_is_the_published_kind_of_error() -> None:
    with pytest.raises(RuntimeError, match="^invalid argument: propagation context root_uuid is not a usable"):
        nemo_relay.capture_propagation_context_with_root("00000000-0000-0000-0000-000000000000")


def test_nothing_opened_nothing_to_trace() -> None:
    here = nemo_relay.capture_propagation_context()
    assert (here.parent_uuid, here.root_uuid) == (scope.get_handle().uuid, scope.get_handle().uuid)
    assert here.traceparent is None
    text = "^invalid argument: no emitted Relay scope is available for W3C trace context capture$"
    with pytest.raises(RuntimeError, match=text):
        nemo_relay.capture_traceparent()


def imported(**fields: Any) -> nemo_relay.ScopeStack:
    return nemo_relay.create_scope_stack_from_propagation(PropagationContext(PARENT, **fields))


def test_a_rooted_position_is_continued(ear: Ear) -> None:
    with nemo_relay.use_scope_stack(imported(root_uuid=ROOT)):
        top = scope.get_handle()
        assert (top.name, top.uuid, top.parent_uuid) == ("propagated-parent", PARENT, ROOT)
        with scope.scope("remote work", ScopeType.Agent) as work:
            assert nemo_relay.capture_traceparent() == f"00-{bare(ROOT)}-{bare(work.uuid)[16:]}-01"
    start = ear.start("remote work")
    assert (start["parent_uuid"], start["propagation_root_uuid"]) == (PARENT, ROOT)
    assert ear.names() == ["start remote work", "end remote work"], "nothing is emitted for the remote spans"


def test_a_root_that_is_the_parent_is_one_span() -> None:
    with nemo_relay.use_scope_stack(imported(root_uuid=PARENT)):
        top = scope.get_handle()
        assert (top.name, top.uuid, top.parent_uuid) == ("propagated-root", PARENT, None)
        with pytest.raises(RuntimeError, match="root scope cannot be removed"):
            scope.pop(top)  # type: ignore[arg-type]


def test_a_rootless_position_names_no_session_until_an_agent_starts(ear: Ear) -> None:
    with nemo_relay.use_scope_stack(imported()):
        assert (scope.get_handle().name, scope.get_handle().uuid) == ("propagated-root", PARENT)
        scope.event("lost")
        with scope.scope("agent", ScopeType.Agent) as agent:
            scope.event("found")
    assert ear.one("lost")["parent_uuid"] == PARENT
    assert "propagation_root_uuid" not in ear.one("lost")
    assert ear.one("found")["propagation_root_uuid"] == agent.uuid


def test_an_imported_trace_travels_on() -> None:
    with nemo_relay.use_scope_stack(imported(root_uuid=ROOT, traceparent=TRACEPARENT[:-2] + "00", tracestate="a=b")):
        assert nemo_relay.capture_traceparent() == TRACEPARENT[:-2] + "00", "verbatim until something is opened"
        with scope.scope("work", ScopeType.Function) as work:
            header = f"00-{TRACEPARENT[3:35]}-{bare(work.uuid)[16:]}-00"
            assert nemo_relay.capture_traceparent() == header
            for here in (
                nemo_relay.capture_propagation_context(),
                nemo_relay.capture_rootless_propagation_context(),
                nemo_relay.capture_propagation_context_with_root(ROOT),
            ):
                assert (here.traceparent, here.tracestate) == (header, "a=b")


def test_the_session_is_the_outermost_agent(ear: Ear) -> None:
    root = scope.get_handle().uuid
    with scope.scope("step", ScopeType.Function):
        with scope.scope("outer", ScopeType.Agent) as outer, scope.scope("inner", ScopeType.Agent):
            scope.event("m")
    assert ear.start("step")["propagation_root_uuid"] == root
    for found in (ear.start("outer"), ear.end("outer"), ear.start("inner"), ear.one("m"), ear.end("inner")):
        assert found["propagation_root_uuid"] == outer.uuid


def test_a_name_alone_does_not_make_a_span_remote() -> None:
    """A scope may be called like the spans that stand for a remote position."""
    with nemo_relay.use_scope_stack(imported(root_uuid=ROOT, traceparent=TRACEPARENT)):
        with scope.scope("propagated-parent", ScopeType.Function) as own:
            assert nemo_relay.capture_traceparent() == f"{TRACEPARENT[:36]}{bare(own.uuid)[16:]}-01"


def test_the_spans_of_another_process_are_not_ours_to_close(ear: Ear) -> None:
    with nemo_relay.use_scope_stack(imported(root_uuid=ROOT)):
        with pytest.raises(RuntimeError, match="^invalid argument: root scope cannot be removed$"):
            scope.pop(scope.get_handle())  # type: ignore[arg-type]
    assert ear.events() == [], "an end without a start would belong to nobody"
