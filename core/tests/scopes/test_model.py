# SPDX-License-Identifier: Apache-2.0
"""Scopes in tasks, threads, forked processes and generators, against a plain model of where everything belongs.

The model knows no context variables: each place has a position, a scope's parent is the position of the place that
opened it (or the scope it was told), and closing a scope leads back to where its opener stood.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nemo_relay import ScopeType, errors, scope, scope_local, subscribers, tools
from nemo_relay._runtime.registry import registry
from nemo_relay.testing import MemorySink, check_lifecycles, isolated

from .actors import Task, Thread, body, in_forked_child

anyone = st.integers(0, 1_000)


class Node:
    """A scope as the model sees it."""

    def __init__(self, name: str, parent: Node | None, before: Node | None = None) -> None:
        self.name = name
        self.parent = parent
        self.before = before  # where its opener stood
        self.via: Node | None = None  # the same, where it is not the parent
        self.open = True
        self.handle: Any = None
        self.ears: list[list[str]] = []  # what the subscribers it owns must have heard
        self.heard: list[list[str]] = []  # what they did hear

    def nearest_open(self) -> Node:
        node = self
        while not node.open:
            assert node.parent is not None
            node = node.parent
        return node

    def policies(self) -> set[Node]:
        """The scopes whose registrations hold here: what it stands in, and what its opener stood in."""
        above = [node for node in (self.parent, self.via) if node is not None]
        return {self}.union(*(node.policies() for node in above))


class Place:
    """A task or a thread, and where the model says it stands."""

    def __init__(self, runner: Task | Thread, at: Node) -> None:
        self.runner = runner
        self.at = at

    def current(self) -> Node:
        return self.at.nearest_open()


class Producer:
    """A generator, and what it holds open."""

    def __init__(self, consumer: Place) -> None:
        self.consumer = consumer
        self.generator = body()
        next(self.generator)
        self.holds: list[Node] = []


class Scopes(RuleBasedStateMachine):
    explicit_parents = True
    generators = shared_generators = False

    def __init__(self) -> None:
        super().__init__()
        self.runtime = isolated()
        self.runtime.__enter__()
        self.sink = MemorySink()
        subscribers.register("all", self.sink)
        self.loop = asyncio.new_event_loop()
        self.nodes: list[Node] = []
        self.places: list[Place] = []
        self.roots: list[Any] = []
        self.producers: list[Producer] = []
        self.log: list[str] = []  # the events, in the order in which they must have been emitted
        self.parents: dict[str, str] = {}  # of each span and mark, by its name
        self.ears: list[tuple[list[str], list[str]]] = []  # what each subscriber of a scope heard, and had to hear
        self.foreign: set[str] = set()  # identifiers made by forked children
        self.count = self.forks = 0
        self.fresh_place(True)

    # -- helpers

    def place(self, number: int) -> Place:
        return self.places[number % len(self.places)]

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def emitted(self, what: str, at: Node, here: Node) -> None:
        """An event was emitted at ``at`` by code that stands ``here``: what either's open scopes own must hear it."""
        self.log.append(what)
        for node in at.policies() | here.policies():
            for ear in node.ears:
                ear.append(what)

    def opened(self, handle: Any, node: Node, here: Node, *, ambient: bool = True) -> None:
        if ambient and here is not node.parent:
            node.via = here
        node.handle = handle
        self.nodes.append(node)
        assert node.parent is not None
        self.parents[node.name] = node.parent.handle.uuid
        assert handle.parent_uuid == node.parent.handle.uuid
        self.emitted(f"start {node.name}", node.parent, here)

    def closed(self, node: Node, here: Node) -> None:
        self.emitted(f"end {node.name}", node, here)
        node.open = False
        node.ears = []

    def is_held(self, node: Node) -> bool:
        """Only a generator closes what it opened."""
        return any(node in producer.holds for producer in self.producers)

    def expected_locals(self) -> int:
        return sum(bool(node.heard) for node in self.nodes if node.open)

    # -- places

    @rule(threaded=st.booleans())
    @precondition(lambda self: len(self.places) < 6)
    def fresh_place(self, threaded: bool) -> None:
        """A place that knows nothing: it has a root of its own."""
        context = contextvars.Context()
        runner = Thread(context) if threaded else Task(self.loop, context)
        root = Node("root", None)
        root.handle = runner.run(scope.get_handle)
        assert root.handle.name == "root"
        assert root.handle.parent_uuid is None
        self.roots.append(root.handle)
        self.places.append(Place(runner, root))

    @rule(number=anyone, threaded=st.booleans())
    @precondition(lambda self: len(self.places) < 6)
    def place_started_from(self, number: int, threaded: bool) -> None:
        """A task, or a thread with a copied context: it goes on where its creator stands."""
        creator = self.place(number)
        context = creator.runner.run(contextvars.copy_context)
        runner = Thread(context) if threaded else Task(self.loop, context)
        self.places.append(Place(runner, creator.at))

    # -- scopes

    @rule(number=anyone, parent=st.none() | anyone)
    def push(self, number: int, parent: int | None) -> None:
        place = self.place(number)
        at = place.current()
        if parent is not None and self.explicit_parents and self.nodes:
            at = self.nodes[parent % len(self.nodes)]
            node = Node(self.name("s"), at, place.at)
            handle = place.runner.run(lambda: scope.push(node.name, ScopeType.Function, handle=at.handle))
        else:
            node = Node(self.name("s"), at, place.at)
            handle = place.runner.run(lambda: scope.push(node.name, ScopeType.Function))
        self.opened(handle, node, place.at)
        place.at = node

    @rule(number=anyone, which=anyone)
    @precondition(lambda self: self.nodes)
    def pop(self, number: int, which: int) -> None:
        place, node = self.place(number), self.nodes[which % len(self.nodes)]
        if not node.open:
            with pytest.raises(errors.NotFound):
                place.runner.run(lambda: scope.pop(node.handle))
            return
        if self.is_held(node):
            return
        place.runner.run(lambda: scope.pop(node.handle))
        self.closed(node, place.at)
        if place.at is node:
            assert node.before is not None
            place.at = node.before.nearest_open()

    @rule(number=anyone)
    def pop_where_it_stands(self, number: int) -> None:
        place = self.place(number)
        for which, node in enumerate(self.nodes):
            if node is place.current() and node is place.at:
                self.pop(number, which)
                return

    @rule(number=anyone, failing=st.booleans())
    def block(self, number: int, failing: bool) -> None:
        place = self.place(number)
        at = place.current()
        node, mark = Node(self.name("b"), at, place.at), self.name("m")

        def work() -> Any:
            with scope.scope(node.name, ScopeType.Function) as handle:
                scope.event(mark)
                if failing:
                    raise KeyError(handle)
                return handle

        try:
            handle = place.runner.run(work)
        except KeyError as error:
            handle = error.args[0]
        self.opened(handle, node, place.at)
        self.parents[mark] = handle.uuid
        self.emitted(f"mark {mark}", node, node)
        self.closed(node, node)
        place.at = place.current()  # whoever entered something comes back to an open scope

    @rule(number=anyone)
    def start(self, number: int) -> None:
        place = self.place(number)
        node = Node(self.name("d"), place.current(), place.current())
        handle = place.runner.run(lambda: scope.start(node.name, ScopeType.Function))
        self.opened(handle, node, place.at, ambient=False)

    @rule(number=anyone, which=anyone)
    @precondition(lambda self: self.nodes)
    def end(self, number: int, which: int) -> None:
        place, node = self.place(number), self.nodes[which % len(self.nodes)]
        if self.is_held(node):
            return
        assert place.runner.run(lambda: scope.end(node.handle)) is node.open
        if node.open:
            self.closed(node, place.at)
            if place.at is node:
                assert node.before is not None
                place.at = node.before.nearest_open()

    @rule(number=anyone, which=anyone)
    @precondition(lambda self: self.nodes)
    def use(self, number: int, which: int) -> None:
        place, node = self.place(number), self.nodes[which % len(self.nodes)]
        if not node.open or self.is_held(node):
            return
        mark = self.name("m")

        def work() -> None:
            with scope.use(node.handle):
                scope.event(mark)

        place.runner.run(work)
        self.parents[mark] = node.handle.uuid
        self.emitted(f"mark {mark}", node, node)

    @rule(number=anyone)
    def mark(self, number: int) -> None:
        place, mark = self.place(number), self.name("m")
        place.runner.run(lambda: scope.event(mark))
        self.parents[mark] = place.current().handle.uuid
        self.emitted(f"mark {mark}", place.current(), place.at)

    @rule(number=anyone, leaky=st.booleans(), failing=st.booleans())
    def tool(self, number: int, leaky: bool, failing: bool) -> None:
        """What happens inside a tool belongs to the tool, and leaves the place where it was."""
        place = self.place(number)
        call, inner, mark = (Node(self.name(kind), None) for kind in "tsm")
        call.parent, inner.parent = place.current(), call

        def work(_args: Any) -> None:
            call.handle = scope.get_handle()
            inner.handle = scope.push(inner.name, ScopeType.Function)
            scope.event(mark.name)
            if not leaky:
                scope.pop(inner.handle)
            if failing:
                raise KeyError

        def execute() -> None:
            try:
                tools.execute_sync(call.name, {}, work)
            except KeyError:
                assert failing

        place.runner.run(execute)
        self.parents[call.name] = call.parent.handle.uuid
        self.emitted(f"start {call.name}", call.parent, place.at)
        if place.at is not call.parent:
            call.via = place.at
        self.opened(inner.handle, inner, call)
        inner.before = call
        self.parents[mark.name] = inner.handle.uuid
        self.emitted(f"mark {mark.name}", inner, inner)
        if not leaky:
            self.closed(inner, inner)
        self.emitted(f"end {call.name}", call, place.at)
        call.open = False

    # -- what scopes own

    @rule(number=anyone, which=anyone)
    @precondition(lambda self: self.nodes and not self.shared_generators)
    def own_a_subscriber(self, number: int, which: int) -> None:
        place, node = self.place(number), self.nodes[which % len(self.nodes)]
        heard: list[str] = []

        def hear(event: Any) -> None:
            heard.append(f"{getattr(event, 'scope_category', 'mark')} {event.name}")

        def register() -> None:
            scope_local.register_subscriber(node.handle, f"ear{len(node.heard)}", hear)

        if not node.open:
            with pytest.raises(errors.NotFound):
                place.runner.run(register)
            return
        place.runner.run(register)
        node.heard.append(heard)
        node.ears.append([])
        heard_by_model = node.ears[-1]
        self.ears.append((heard, heard_by_model))

    # -- generators

    @rule(number=anyone)
    @precondition(lambda self: self.generators and len(self.producers) < 3)
    def generator(self, number: int) -> None:
        self.producers.append(Producer(self.place(number)))

    @rule(number=anyone, which=anyone, what=st.sampled_from(["push", "push", "pop", "mark", "where"]))
    @precondition(lambda self: self.producers)
    def step(self, number: int, which: int, what: str) -> None:
        """Some place pulls from a generator, which does something before it yields."""
        producer = self.producers[which % len(self.producers)]
        place = self.place(number) if self.shared_generators else producer.consumer
        inside = producer.holds[-1] if producer.holds else place.current()
        if what == "push":
            node = Node(self.name("g"), inside, inside)
            self.opened(place.runner.run(lambda: producer.generator.send(("push", node.name))), node, place.at)
            producer.holds.append(node)
        elif what == "pop" and producer.holds:
            node = producer.holds.pop(which % len(producer.holds))
            place.runner.run(lambda: producer.generator.send(("pop", node.handle)))
            self.closed(node, inside)
        elif what == "mark":
            mark = self.name("m")
            place.runner.run(lambda: producer.generator.send(("mark", mark)))
            self.parents[mark] = inside.handle.uuid
            self.emitted(f"mark {mark}", inside, place.at)
        else:
            assert place.runner.run(lambda: producer.generator.send(("where", None))) is inside.handle

    # -- processes

    @rule(number=anyone)
    @precondition(lambda self: self.forks < 2)  # they cost most of the time
    def fork(self, number: int) -> None:
        """A forked child goes on where the place stands; what it does is its own."""
        self.forks += 1
        place = self.place(number)
        context = place.runner.run(contextvars.copy_context)
        parent = place.current().handle.uuid  # made when it is first asked for: by both, or by each
        names = [self.name(kind) for kind in "sm"]

        def child() -> bytes:
            sink, heard = MemorySink(), []
            subscribers.deregister("all")
            subscribers.register("child", sink)
            subscribers.register("child-queue", lambda event: heard.append(event.uuid))
            with scope.scope(names[0], ScopeType.Function):
                scope.event(names[1])
            assert subscribers.flush(50)
            assert heard == [event.uuid for event in sink.events]
            return json.dumps([event.to_dict() for event in sink.events]).encode()

        events = json.loads(in_forked_child(lambda: context.run(child)))
        assert [event["name"] for event in events] == [names[0], names[1], names[0]]
        assert events[0]["parent_uuid"] == parent
        assert events[1]["parent_uuid"] == events[0]["uuid"]
        # Nobody in this process hears of it.
        self.foreign.update({events[0]["uuid"], events[1]["uuid"]})

    # -- what always holds

    @invariant()
    def everybody_stands_where_the_model_says(self) -> None:
        for place in self.places:
            assert place.runner.run(scope.get_handle) is place.current().handle

    @invariant()
    def nothing_is_owned_by_closed_scopes(self) -> None:
        if self.places:
            assert len(registry.activity.owners) == self.expected_locals()
            assert all(node.handle.local is None for node in self.nodes if not node.open)

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            for place in self.places:
                place.runner.stop()
            self.loop.close()
            self.runtime.__exit__(None, None, None)

    def finish(self) -> None:
        for producer in self.producers:
            place = producer.consumer
            for node in reversed(producer.holds):
                pop = ("pop", node.handle)
                place.runner.run(lambda producer=producer, pop=pop: producer.generator.send(pop))
                self.closed(node, place.at)
            producer.generator.close()
        for node in self.nodes:
            if node.open:
                assert self.places[0].runner.run(lambda node=node: scope.end(node.handle))
                self.closed(node, self.places[0].at)
        assert subscribers.flush(50)
        events = self.sink.events
        assert [f"{getattr(event, 'scope_category', 'mark')} {event.name}" for event in events] == self.log
        assert {event.name: event.parent_uuid for event in events} == self.parents
        check_lifecycles(events, outside=[root.uuid for root in self.roots])
        uuids = Counter(event.uuid for event in events)
        assert not self.foreign & set(uuids)
        for heard, expected in self.ears:
            assert heard == expected


class GeneratorScopes(Scopes):
    """With scopes that generators hold open; parents are never given by hand."""

    explicit_parents = False
    generators = True


class SharedGeneratorScopes(GeneratorScopes):
    """With generators that several places pull from in turn; nobody owns a registration."""

    shared_generators = True


# Each step crosses threads and processes, so that shrinking takes minutes: the long search does it.
QUICK = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.reuse, Phase.generate],
)
LONG = settings(QUICK, max_examples=1_000, stateful_step_count=60, phases=list(Phase))
MACHINES = [Scopes, GeneratorScopes, SharedGeneratorScopes]


@pytest.mark.parametrize("machine", MACHINES)
def test_scopes_are_where_the_model_says(machine: type[Scopes]) -> None:
    run_state_machine_as_test(machine, settings=QUICK)


@pytest.mark.fuzz
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("machine", MACHINES)
def test_scopes_are_where_the_model_says_for_long(machine: type[Scopes]) -> None:
    run_state_machine_as_test(machine, settings=LONG)
