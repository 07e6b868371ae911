# SPDX-License-Identifier: Apache-2.0
"""A state in Redis, for replicas."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from functools import partial
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from nemo_relay_state.errors import InvalidState, StateUnavailable

SECONDS = 2.0  # for an answer
_CONNECTIONS, _RECEIVERS = 32, 256  # of one process; whoever asks beyond the first number waits for a moment
_CLAIM = """
local standing = redis.call('GET', KEYS[1])
if standing and standing ~= ARGV[1] and standing ~= ARGV[2] then return standing end
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[1]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3]) end
return ARGV[1]
"""
_ADD = """
local is_new = redis.call('EXISTS', KEYS[1]) == 0
local total = redis.call('INCRBYFLOAT', KEYS[1], ARGV[1])
if is_new and ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return total
"""


class RedisState:
    """Shares among all processes that use the same server and prefix.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``, with the password if there is one.
        key_prefix: what every key begins with.

    Raises:
        InvalidState: redis-py is not installed, or the URL is none.
    """

    def __init__(self, url: str, key_prefix: str = "nemo-relay:") -> None:
        try:
            from redis import exceptions
            from redis.asyncio import BlockingConnectionPool, Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise InvalidState('a state in Redis needs redis-py: pip install "nemo-relay-state[redis]>=0.12"') from None
        parts = urlsplit(url)
        self.target = f"{parts.hostname or parts.path}:{parts.port or 6379}"  # without its password
        self._errors = exceptions.RedisError
        self._prefix = key_prefix
        options = {"socket_connect_timeout": SECONDS, "retry": Retry(NoBackoff(), 0), "health_check_interval": 5}
        made = partial(BlockingConnectionPool.from_url, url, timeout=SECONDS, **options, **_anonymous())
        try:
            self._client = Redis.from_pool(made(max_connections=_CONNECTIONS, socket_timeout=SECONDS))
            self._patient = Redis.from_pool(made(max_connections=_RECEIVERS, socket_timeout=None))
        except ValueError:
            raise InvalidState("the URL of a state in Redis begins with redis://, rediss:// or unix://") from None
        self._claim = self._client.register_script(_CLAIM)
        self._add = self._client.register_script(_ADD)

    async def get(self, key: str) -> bytes | None:
        """As ``State.get``."""
        value: bytes | None = await self._asked(self._client.get(self._prefix + key))
        return value

    async def put(self, key: str, value: bytes, *, seconds: float | None = None) -> None:
        """As ``State.put``."""
        await self._asked(self._client.set(self._prefix + key, value, px=_milliseconds(seconds)))

    async def claim(
        self, key: str, value: bytes, *, instead_of: bytes | None = None, seconds: float | None = None
    ) -> bytes:
        """As ``State.claim``."""
        words = [value, value if instead_of is None else instead_of, _milliseconds(seconds) or ""]
        standing: bytes = await self._asked(self._claim(keys=[self._prefix + key], args=words))
        return standing

    async def add(self, key: str, amount: float, *, seconds: float | None = None) -> float:
        """As ``State.add``."""
        words = [repr(float(amount)), _milliseconds(seconds) or ""]
        return float(await self._asked(self._add(keys=[self._prefix + key], args=words)))

    async def remove(self, key: str) -> None:
        """As ``State.remove``."""
        await self._asked(self._client.delete(self._prefix + key))

    async def send(self, box: str, message: bytes, *, seconds: float) -> None:
        """As ``State.send``."""
        async with self._client.pipeline(transaction=True) as both:
            both.rpush(self._prefix + box, message)
            both.pexpire(self._prefix + box, _milliseconds(seconds) or 1)
            await self._asked(both.execute())

    async def receive(self, box: str, *, seconds: float) -> bytes | None:
        """As ``State.receive``."""
        found = await self._asked(self._patient.blpop([self._prefix + box], timeout=max(seconds, 0.01)))
        return None if found is None else found[1]

    async def close(self) -> None:
        """As ``State.close``."""
        await self._client.aclose()
        await self._patient.aclose()

    async def _asked(self, answer: Awaitable[Any]) -> Any:
        try:
            return await answer
        except (self._errors, OSError) as error:
            raise StateUnavailable(f"Redis at {self.target}: {type(error).__name__}") from None


def _anonymous() -> dict[str, Any]:
    """A client that does not tell its version, for which it would look on the disk at every connection."""
    if find_spec("redis.driver_info") is None:  # what it is called depends on redis-py's version
        return {"lib_name": None, "lib_version": None}
    return {"driver_info": None}


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, math.ceil(seconds * 1000))
