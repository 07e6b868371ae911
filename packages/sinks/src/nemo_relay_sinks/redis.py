# SPDX-License-Identifier: Apache-2.0
"""Redis Streams. One script a batch leaves out what the stream has already, and appends the rest in order."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from nemo_relay.errors import MissingExtra
from nemo_relay_sinks.lines import Line
from nemo_relay_sinks.settings import Redis
from nemo_relay_sinks.sink import Component, Sink
from nemo_relay_spool import Delivered, Item, Outcome, Refused, Retry
from nemo_relay_spool.http import shown

MODEL = Redis
# KEYS: the stream, the prefix of what was seen. ARGV: seconds, the longest stream, then id, uuid, session, event, ...
_SCRIPT = """
local added = 0
for i = 3, #ARGV, 4 do
  if redis.call('SET', KEYS[2] .. ARGV[i], '1', 'NX', 'EX', ARGV[1]) then
    if ARGV[2] == '' then
      redis.call('XADD', KEYS[1], '*',
        'id', ARGV[i], 'uuid', ARGV[i + 1], 'session', ARGV[i + 2], 'event', ARGV[i + 3])
    else
      redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*',
        'id', ARGV[i], 'uuid', ARGV[i + 1], 'session', ARGV[i + 2], 'event', ARGV[i + 3])
    end
    added = added + 1
  end
end
return added
"""


def opened(settings: Redis) -> Sink:
    """The sink of checked settings."""
    return Sink(settings, "redis", lambda: RedisTransport(settings))


class RedisTransport:
    """One client, which is asked again by the pipeline and not by itself."""

    def __init__(self, settings: Redis) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry as Attempts
        except ImportError:
            raise MissingExtra("the atof redis sink", "redis", "sinks") from None
        self.target = shown(settings.url)
        self._settings = settings
        self._errors = redis.exceptions
        self._client: Any = redis.Redis.from_url(
            settings.url,
            socket_timeout=settings.seconds,
            socket_connect_timeout=settings.seconds,
            retry=Attempts(NoBackoff(), 0),
        )
        self._append = self._client.register_script(_SCRIPT)

    def encode(self, record: Line) -> Item:
        """A line with the stream it goes to."""
        stream = self._settings.stream.replace("{session}", "{" + record.session + "}")
        return Item(stream, record, len(record.content))

    def send(self, items: Sequence[Item]) -> Outcome:
        """Try once. A batch that had arrived in part is left out in that part when it comes again."""
        limit = self._settings.max_length
        try:
            for stream, group in groupby(items, key=lambda item: item.resource):
                arguments: list[Any] = [self._settings.seen_seconds, "" if limit is None else limit]
                for item in group:
                    line: Line = item.content
                    arguments += (line.id, line.uuid, line.session, line.content)
                self._append(keys=[stream, f"{stream}:seen:"], args=arguments)
        except (self._errors.AuthenticationError, self._errors.NoPermissionError) as error:
            return Retry(f"{type(error).__name__}: the server does not let this client in")
        except self._errors.ResponseError as error:
            text = str(error)
            passing = text.startswith(("LOADING", "READONLY", "BUSY", "OOM", "MISCONF", "CLUSTERDOWN", "TRYAGAIN"))
            return Retry(text[:200]) if passing else Refused(text[:200])
        except (self._errors.RedisError, OSError) as error:
            return Retry(type(error).__name__)
        return Delivered()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


component = Component(sys.modules[__name__], "redis")
