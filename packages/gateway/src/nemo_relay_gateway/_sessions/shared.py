# SPDX-License-Identifier: Apache-2.0
"""Sessions that several replicas share.

Each session has one owner, the replica that saw it first: reports that reach another replica are passed on to it, and
its policies answer them. Provider calls are recorded where they pass, below the scopes that the owner has written down.
An owner that is gone is replaced by whoever next has to do with the session.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count
from typing import Any

import msgspec

from nemo_relay_gateway._calls.observed import Place
from nemo_relay_gateway._sessions.events import HookEvent, Kind, Origins, Verdict
from nemo_relay_gateway._sessions.records import SessionRecord
from nemo_relay_gateway._sessions.session import Session
from nemo_relay_gateway._sessions.sessions import Sessions
from nemo_relay_state import State, StateUnavailable

_log = logging.getLogger(__name__)
_KEPT = 7 * 24 * 3600.0  # seconds without news after which a session is forgotten
_BEAT, _DEAD = 1.0, 3.5  # seconds between two signs of life; without one, after which a replica counts as gone
_KEPT_LETTERS = 60.0  # seconds that a box waits to be emptied
_PATIENCE = 0.5  # seconds between two looks whether an owner that was asked still lives
_VIEWS = 1024
Key = tuple[str, str]


class Message(msgspec.Struct):
    """What a replica tells a session's owner: a report, a call that has passed, or a subagent that must be open."""

    host: str
    session: str
    sender: str = ""
    number: int = 0
    event: HookEvent | None = None
    passed: str | None = None
    agent: str | None = None
    parent_agent: str | None = None


class Reply(msgspec.Struct):
    """What the owner answers."""

    verdict: Verdict
    record: SessionRecord | None
    number: int = 0


class Letter(msgspec.Struct):
    """What lies in a replica's box."""

    message: Message | None = None
    reply: Reply | None = None


class SharedSessions(Sessions):
    """The sessions of one replica.

    Args:
        state: what the replicas share.
        name: this replica's own; None for one made of host, process and a random part.
    """

    def __init__(self, state: State, name: str | None = None) -> None:
        super().__init__()
        self._state = state
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._views: dict[Key, tuple[bytes, Session]] = {}
        self._locks: dict[Key, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._asking: dict[int, asyncio.Future[Reply]] = {}
        self._numbers = count(1)
        self.unavailable = 0  # how often the state did not answer
        self.is_answered = False  # whether it did at the last sign of life

    async def start(self) -> None:
        """Show a first sign of life, and answer the other replicas from now on."""
        await self._sign_of_life()
        self._spawn(self._beat())
        self._spawn(self._serve())

    async def stop(self) -> None:
        """Hand the sessions over: what is open in them stays open, and the next replica goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(StateUnavailable):
            for key in list(self._open):
                await self._save(key)
            await self._state.remove(f"alive:{self.name}")
        for session in self._open.values():
            session.let_go("gateway_shutdown")
        self._open.clear()

    # --- reports ------------------------------------------------------------------------------------------------

    async def apply(self, event: HookEvent) -> Verdict:
        """Take a report in, or have the owner of its session take it in."""
        try:
            await self._learn_parent(event)
            event = self._of_parent(event)
            message = Message(event.host, event.session, event=event)
            return (await self._by_owner((event.host, event.session), message)).verdict
        except StateUnavailable as error:
            self._alone(error)
            return await super().apply(event)

    async def _learn_parent(self, event: HookEvent) -> None:
        """Whose session a subagent's own session belongs to, where another replica has been told."""
        if event.kind is Kind.SUBAGENT_START and event.child_session is not None and event.agent is not None:
            parent = msgspec.json.encode([event.session, event.agent])
            await self._state.put(f"child:{event.host}:{event.child_session}", parent, seconds=_KEPT)
        elif (event.host, event.session) not in self._open and (event.host, event.session) not in self._children:
            found = await self._state.get(f"child:{event.host}:{event.session}")
            if found is not None:
                session, agent = msgspec.json.decode(found)
                self._children[event.host, event.session] = session, agent

    # --- provider calls -----------------------------------------------------------------------------------------

    async def placed(self, origins: Origins | None) -> tuple[Place, Callable[[Any], None] | None]:
        """Where a provider call belongs, and who wants to hear of its response."""
        if origins is None:
            return Place(), None
        key = origins.host, origins.session
        try:
            handle = await self._handle_of(key, origins)
        except StateUnavailable as error:
            self._alone(error)
            return self.place(origins)
        metadata = {"agent_kind": origins.host, "session_id": origins.session, **origins.details}
        return Place(handle, metadata), lambda response: self._passed(key, response)

    async def _handle_of(self, key: Key, origins: Origins) -> Any:
        if await self._owner(key) != self.name:
            raw = await self._state.get(_record(key))
            view = None if raw is None else self._view(key, raw)
            if view is not None and view.has(origins.agent):
                return view.place(origins.agent)
        message = Message(*key, agent=origins.agent, parent_agent=origins.parent_agent)
        reply = await self._by_owner(key, message)
        session = self._open.get(key)
        if session is None:
            session = self._view(key, msgspec.json.encode(reply.record))
        return session.place(origins.agent, origins.parent_agent)

    def _view(self, key: Key, raw: bytes) -> Session:
        """A session that another replica owns, as it was written down."""
        seen = self._views.get(key)
        if seen is not None and seen[0] == raw:
            return seen[1]
        if len(self._views) >= _VIEWS:
            self._views.clear()
        session = Session(*key, msgspec.json.decode(raw, type=SessionRecord))
        self._views[key] = raw, session
        return session

    def _passed(self, key: Key, response: Any) -> None:
        session = self._open.get(key)
        if session is not None:
            session.passed(response)
            return
        found = response.get("id") if isinstance(response, dict) else None
        self._spawn(self._send(key, Message(*key, passed=found if isinstance(found, str) else "")))

    async def _send(self, key: Key, message: Message) -> None:
        with suppress(StateUnavailable):
            if await self._state.get(_record(key)) is not None:
                await self._by_owner(key, message)

    # --- owners -------------------------------------------------------------------------------------------------

    async def _owner(self, key: Key, instead_of: str | None = None) -> str:
        before = None if instead_of is None else instead_of.encode()
        owner = await self._state.claim(_owned(key), self.name.encode(), instead_of=before, seconds=_KEPT)
        if owner != self.name.encode():
            self._open.pop(key, None)  # another replica has taken it over
        return owner.decode()

    async def _by_owner(self, key: Key, message: Message) -> Reply:
        owner = await self._owner(key)
        while owner != self.name:
            reply = await self._asked(owner, message)
            if reply is not None:
                return reply
            _log.warning("replica %s is gone; its session %s of %s goes on here", owner, key[1], key[0])
            owner = await self._owner(key, instead_of=owner)
        return await self._own(key, message)

    async def _asked(self, owner: str, message: Message) -> Reply | None:
        """The owner's answer; None where it is gone."""
        if not await self._lives(owner):
            return None
        number = message.number = next(self._numbers)
        message.sender = self.name
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asking[number] = answer
        try:
            await self._post(owner, Letter(message=message))
            while not answer.done():
                await asyncio.wait((answer,), timeout=_PATIENCE)
                if not answer.done() and not await self._lives(owner):
                    return None
            return answer.result()
        finally:
            del self._asking[number]

    async def _lives(self, name: str) -> bool:
        return await self._state.get(f"alive:{name}") is not None

    async def _post(self, name: str, letter: Letter) -> None:
        await self._state.send(f"box:{name}", msgspec.json.encode(letter), seconds=_KEPT_LETTERS)

    async def _own(self, key: Key, message: Message) -> Reply:
        """Do what a message says, to a session of our own."""
        verdict = Verdict()
        session = await self._loaded(key, begins=message.passed is None)
        if session is None:  # it has ended since
            return Reply(verdict, None)
        if message.event is not None:
            verdict = await session.apply(message.event)
        elif message.passed is not None:
            session.passed({"id": message.passed or None})
            return Reply(verdict, None)
        elif session.has(message.agent):
            return Reply(verdict, session.record())
        else:
            session.place(message.agent, message.parent_agent)
        return Reply(verdict, await self._save(key, session))

    async def _loaded(self, key: Key, *, begins: bool) -> Session | None:
        """A session of ours; where there is none, one begins, or None."""
        if key not in self._open:
            raw = await self._state.get(_record(key))
            record = None if raw is None else msgspec.json.decode(raw, type=SessionRecord)
            if key not in self._open and (begins or record is not None):
                self._open[key] = Session(*key, record)
        return self._open.get(key)

    async def _save(self, key: Key, session: Session | None = None) -> SessionRecord | None:
        """Write a session down as it is now; one that is over is forgotten."""
        session = session or self._open[key]
        async with self._locks.setdefault(key, asyncio.Lock()):  # so that what is newer is written later
            if session.is_over:
                self._open.pop(key, None)
                self._locks.pop(key, None)
                await self._state.remove(_record(key))
                await self._state.remove(_owned(key))
                return None
            record = session.record()
            await self._state.put(_record(key), msgspec.json.encode(record), seconds=_KEPT)
            return record

    # --- the other replicas -------------------------------------------------------------------------------------

    async def _sign_of_life(self) -> None:
        try:
            await self._state.put(f"alive:{self.name}", b"1", seconds=_DEAD)
        except StateUnavailable as error:
            self.is_answered = False
            self._alone(error)
        else:
            self.is_answered = True

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT)
            await self._sign_of_life()

    async def _serve(self) -> None:
        while True:
            try:
                raw = await self._state.receive(f"box:{self.name}", seconds=_BEAT)
            except StateUnavailable:
                await asyncio.sleep(_PATIENCE)
                continue
            if raw is not None:
                self._opened(msgspec.json.decode(raw, type=Letter))

    def _opened(self, letter: Letter) -> None:
        if letter.message is not None:
            self._spawn(self._answer(letter.message))
        elif letter.reply is not None:
            waiting = self._asking.get(letter.reply.number)
            if waiting is not None and not waiting.done():
                waiting.set_result(letter.reply)

    async def _answer(self, message: Message) -> None:
        sender, number = message.sender, message.number
        try:
            reply = await self._by_owner((message.host, message.session), message)
            reply.number = number
            await self._post(sender, Letter(reply=reply))
        except StateUnavailable as error:
            self._alone(error)
        except Exception:
            _log.exception("what another replica told could not be applied")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _alone(self, error: StateUnavailable) -> None:
        self.unavailable += 1
        if self.unavailable == 1:
            _log.error("%s: this replica goes on by itself until it answers", error)


def _record(key: Key) -> str:
    return f"session:{key[0]}:{key[1]}"


def _owned(key: Key) -> str:
    return f"owner:{key[0]}:{key[1]}"
