# SPDX-License-Identifier: Apache-2.0
"""What a plugin registers through: names of its own, and everything is removed with the activation.

Nothing takes effect while ``register`` runs: a ``Part`` gathers it, and the host puts whole parts in and takes whole
parts out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from nemo_relay._plugins.breaker import Breaker
from nemo_relay._plugins.runtime_reports import RuntimeReports
from nemo_relay._runtime.checks import expect_text
from nemo_relay._runtime.registry import gates, registry
from nemo_relay._runtime.registry.exchange import exchange as exchange_entries
from nemo_relay._runtime.registry.gates import Gate
from nemo_relay._runtime.registry.registration import Entry, checked_entry
from nemo_relay._runtime.registry.registry import Family
from nemo_relay.errors import AlreadyRegistered, PluginContextClosed

T = TypeVar("T")


class Resource:
    """Something that outlives a reconfiguration when the new configuration asks for it too."""

    __slots__ = ("close", "users", "value")

    def __init__(self, value: Any, close: Callable[[Any], Any]) -> None:
        self.value = value
        self.close = close
        self.users = 0


class Part:
    """One component of an activation: its configuration, and all that it registered."""

    __slots__ = ("config", "counting", "entries", "gates", "kind", "ordinal", "resources", "undo")

    def __init__(self, kind: str, ordinal: int, config: Any) -> None:
        self.kind = kind
        self.ordinal = ordinal
        self.config = config
        self.entries: list[tuple[Family, Entry]] = []
        self.gates: list[Gate] = []
        self.undo: list[Callable[[], Any]] = []
        self.resources: dict[str, Resource] = {}
        self.counting: dict[str, Callable[[], Mapping[str, int]]] = {}

    def release(self) -> None:
        """Have what only this part used closed at the end of its ``undo``."""
        for resource in self.resources.values():
            resource.users -= 1
            if not resource.users:
                self.undo.insert(0, lambda resource=resource: resource.close(resource.value))  # type: ignore[misc]
        self.resources = {}


class Context:
    """The ``PluginContext`` of one component, for as long as its ``register`` runs."""

    __slots__ = ("_inherited", "_open", "_part", "_reports")

    def __init__(self, part: Part, inherited: dict[str, Resource], reports: RuntimeReports) -> None:
        self._part = part
        self._inherited = inherited  # the resources of the configuration that is about to be replaced
        self._reports = reports
        self._open = True

    def __repr__(self) -> str:
        return "<PluginContext>"

    def _end(self) -> None:
        self._open = False

    def on_close(self, callback: Callable[[], Any]) -> None:
        """Call ``callback``, sync or async, when the activation ends; the last one added comes first."""
        self._expect_open()
        self._part.undo.append(callback)

    def adopt(self, key: str, make: Callable[[], T], close: Callable[[T], Any]) -> T:
        """The resource of that key from the configuration before, else what ``make()`` gives."""
        self._expect_open()
        resource = self._part.resources.get(key) or self._inherited.get(key)
        if resource is None:
            resource = Resource(make(), close)
        if key not in self._part.resources:
            resource.users += 1
            self._part.resources[key] = resource
        value: T = resource.value
        return value

    def count(self, name: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Show what ``read`` gives as the counters of the destination ``name``, also after the end."""
        self._expect_open()
        self._part.counting[name] = read

    def report_runtime(self, code: str, message: str, field: str | None = None, session_id: str | None = None) -> None:
        """Count a runtime diagnostic of the component; at any time, on any thread."""
        self._reports.add(code, self._part.kind, message, field, session_id)

    def register_subscriber(self, name: str, callback: Any) -> None:
        """Let ``callback`` hear every event."""
        made = self._register(registry.subscribers, name, 0, callback)
        made.sink = getattr(callback, "__relay_sink__", None)
        if made.sink is None:
            notice = f"the subscriber '{name}' is "
            made.fn = Breaker(callback, lambda text: self.report_runtime("plugin.observer_suspended", notice + text))

    def register_conditional_middleware_guardrail(
        self, name: str, kinds: Iterable[Any], registration_name: str, guardrail: Any
    ) -> None:
        """Let ``guardrail`` decide whether the registration of that effective name takes part."""
        self._expect_open()
        expect_text(name)
        expect_text(registration_name)
        members = {kind.value: kind for kind in kinds}
        effective = self._effective(name)
        if any(gate.name == effective for gate in self._part.gates):
            raise AlreadyRegistered(effective, "conditional middleware guardrail ")
        made = gates.checked(effective, set(members.values()), frozenset(members), registration_name, guardrail)
        self._part.gates.append(made)

    def register_event_metadata_injector(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` add metadata to events."""
        self._register(registry.injectors, name, priority, callback)

    def register_mark_sanitize_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean marks."""
        self._register(registry.mark_sanitizers, name, priority, callback)

    def register_scope_sanitize_start_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean start events."""
        self._register(registry.start_sanitizers, name, priority, callback)

    def register_scope_sanitize_end_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean end events."""
        self._register(registry.end_sanitizers, name, priority, callback)

    def register_tool_sanitize_request_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean the arguments that events show of a tool call."""
        self._register(registry.tool_request_sanitizers, name, priority, callback)

    def register_tool_sanitize_response_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean the result that events show of a tool call."""
        self._register(registry.tool_response_sanitizers, name, priority, callback)

    def register_tool_conditional_execution_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` refuse tool calls."""
        self._register(registry.tool_guardrails, name, priority, callback)

    def register_tool_request_intercept(self, name: str, priority: int, break_chain: bool, callback: Any) -> None:
        """Let ``callback`` shape a tool's arguments."""
        self._register(registry.tool_request_intercepts, name, priority, callback, break_chain=break_chain)

    def register_tool_execution_intercept(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` shape the execution of a tool."""
        self._register(registry.tool_execution_intercepts, name, priority, callback)

    def register_llm_sanitize_request_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean the request that events show of an LLM call."""
        self._register(registry.llm_request_sanitizers, name, priority, callback)

    def register_llm_sanitize_response_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` clean the response that events show of an LLM call."""
        self._register(registry.llm_response_sanitizers, name, priority, callback)

    def register_llm_conditional_execution_guardrail(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` refuse LLM calls."""
        self._register(registry.llm_guardrails, name, priority, callback)

    def register_llm_request_intercept(self, name: str, priority: int, break_chain: bool, callback: Any) -> None:
        """Let ``callback`` shape an LLM request."""
        self._register(registry.llm_request_intercepts, name, priority, callback, break_chain=break_chain)

    def register_llm_execution_intercept(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` shape the execution of an LLM call."""
        self._register(registry.llm_execution_intercepts, name, priority, callback)

    def register_llm_stream_execution_intercept(self, name: str, priority: int, callback: Any) -> None:
        """Let ``callback`` shape the execution of a streamed LLM call."""
        self._register(registry.llm_stream_intercepts, name, priority, callback)

    def _register(self, family: Family, name: str, priority: int, callback: Any, *, break_chain: bool = False) -> Entry:
        self._expect_open()
        expect_text(name)
        made = checked_entry(family.kind, self._effective(name), priority, callback, break_chain)
        made.owner = (self._part.kind, self._part.ordinal)
        if any(one is family and present.name == made.name for one, present in self._part.entries):
            raise AlreadyRegistered(made.name, family.noun)
        self._part.entries.append((family, made))
        return made

    def _effective(self, name: str) -> str:
        return f"nemo-relay-plugin.v1.{quote(self._part.kind, safe='')}:{self._part.ordinal}:{name}"

    def _expect_open(self) -> None:
        if not self._open:
            raise PluginContextClosed(
                f"plugin '{self._part.kind}' used its context after its register() had returned; "
                "register everything before register() returns"
            )


def exchange(out: Iterable[Part], into: Iterable[Part]) -> None:
    """Take the parts ``out`` out of the runtime and put ``into`` in: at any moment the ones or the others take part.

    Raises:
        AlreadyRegistered: somebody else has taken a name; then nothing has changed.
    """
    out, into = tuple(out), tuple(into)
    before = [one for part in out for one in part.entries]
    after = [one for part in into for one in part.entries]
    exchange_entries(before, after)
    try:
        gates.exchange([one for part in out for one in part.gates], [one for part in into for one in part.gates])
    except AlreadyRegistered:
        exchange_entries(after, before)
        raise
