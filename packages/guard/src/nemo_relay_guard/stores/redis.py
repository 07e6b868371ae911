# SPDX-License-Identifier: Apache-2.0
"""Counting in Redis, for processes on any number of machines. Each step is one script, which Redis runs as one."""

from __future__ import annotations

from typing import Any

from nemo_relay.errors import MissingExtra

Amounts = dict[str, float]
# KEYS: spent, reserved. ARGV: seconds to live, then kind, amount, limit ("" where there is none) for each.
_TAKE = """
for i = 2, #ARGV - 1, 3 do
  local spent, held = redis.call('HGET', KEYS[1], ARGV[i]) or 0, redis.call('HGET', KEYS[2], ARGV[i]) or 0
  local counted = tonumber(spent) + tonumber(held)
  if ARGV[i + 2] ~= '' and counted + tonumber(ARGV[i + 1]) > tonumber(ARGV[i + 2]) + 1e-9 then
    return {ARGV[i], tostring(counted)}
  end
end
if tonumber(ARGV[1]) > 0 then
  for i = 2, #ARGV - 1, 3 do redis.call('HINCRBYFLOAT', KEYS[2], ARGV[i], ARGV[i + 1]) end
  redis.call('PEXPIRE', KEYS[2], math.floor(ARGV[1] * 1000))
end
return false
"""
# ARGV: seconds to live, then kind, reserved, spent for each.
_SETTLE = """
for i = 2, #ARGV - 1, 3 do
  local left = tonumber(redis.call('HGET', KEYS[2], ARGV[i]) or 0) - tonumber(ARGV[i + 1])
  if left > 0 then redis.call('HSET', KEYS[2], ARGV[i], tostring(left)) else redis.call('HDEL', KEYS[2], ARGV[i]) end
  redis.call('HINCRBYFLOAT', KEYS[1], ARGV[i], ARGV[i + 2])
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, math.floor(ARGV[1] * 1000)) end
"""


class RedisStore:
    """Counts in Redis.

    Args:
        url: the server.
        prefix: what its keys begin with.

    Raises:
        MissingExtra: redis is not installed (an ImportError).
    """

    remote = True

    def __init__(self, url: str, prefix: str) -> None:
        try:
            from redis import Redis
            from redis.backoff import ExponentialBackoff
            from redis.retry import Retry
        except ImportError:
            raise MissingExtra("backend.kind = 'redis'", "redis", "redis", "nemo-relay-guard") from None
        retry = Retry(ExponentialBackoff(cap=0.5, base=0.05), 3)
        self._client: Any = Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5, retry=retry)
        self._prefix = prefix
        self._take = self._client.register_script(_TAKE)
        self._settle = self._client.register_script(_SETTLE)

    def take(self, key: str, amounts: Amounts, limits: Amounts, ttl: float) -> tuple[str, float] | None:
        """Reserve ``amounts`` where all of them fit ``limits``; else which does not, and what is spent and reserved."""
        return self._asked(key, amounts, limits, ttl)

    def fits(self, key: str, amounts: Amounts, limits: Amounts) -> tuple[str, float] | None:
        """The same without reserving."""
        return self._asked(key, amounts, limits, 0)

    def settle(self, key: str, reserved: Amounts, spent: Amounts, ttl: float) -> None:
        """Give back what was reserved, and count what was spent."""
        arguments: list[Any] = [ttl]
        for kind in {*reserved, *spent}:
            arguments += (kind, reserved.get(kind, 0.0), spent.get(kind, 0.0))
        self._settle(keys=self._keys(key), args=arguments)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _asked(self, key: str, amounts: Amounts, limits: Amounts, ttl: float) -> tuple[str, float] | None:
        arguments: list[Any] = [ttl]
        for kind, amount in amounts.items():
            arguments += (kind, amount, limits.get(kind, ""))
        found = self._take(keys=self._keys(key), args=arguments)
        return None if not found else (found[0].decode(), float(found[1]))

    def _keys(self, key: str) -> list[str]:
        # One slot of a cluster.
        return [f"{self._prefix}{{{key}}}:spent", f"{self._prefix}{{{key}}}:reserved"]
