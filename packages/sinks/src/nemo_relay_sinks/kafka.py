# SPDX-License-Identifier: Apache-2.0
"""Kafka. An idempotent producer keeps a session's events in order; what a restart sends again has the same ``id``."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nemo_relay.errors import MissingExtra
from nemo_relay_sinks.lines import Line
from nemo_relay_sinks.settings import Kafka
from nemo_relay_sinks.sink import Component, Sink
from nemo_relay_spool import Delivered, Item, Outcome, Retry

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

MODEL = Kafka
_MOST = 16 << 20  # bytes of a request; the broker's own limit decides


def opened(settings: Kafka) -> Sink:
    """The sink of checked settings."""
    return Sink(settings, "kafka", lambda: KafkaTransport(settings))


class KafkaTransport:
    """A producer on an event loop of its own, which turns while something is sent."""

    def __init__(self, settings: Kafka) -> None:
        try:
            import aiokafka
        except ImportError:
            raise MissingExtra("the atof kafka sink", "aiokafka", "sinks") from None
        self._kafka: Any = aiokafka
        self.target = f"{settings.url}/{settings.topic}"
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._producer: AIOKafkaProducer | None = None

    def encode(self, record: Line) -> Item:
        """A line as it is sent."""
        return Item(None, record, len(record.content))

    def send(self, items: Sequence[Item]) -> Outcome:
        """Try once: hand all over, and wait until the brokers have all."""
        loop = self._loop = self._loop or asyncio.new_event_loop()
        try:
            return loop.run_until_complete(self._send(items))
        except Exception as error:
            loop.run_until_complete(self._end())
            return Retry(f"{type(error).__name__}: {error}"[:200])

    async def _send(self, items: Sequence[Item]) -> Outcome:
        producer = await self._started()
        lost = 0
        waiting = []
        for item in items:
            line: Line = item.content
            headers = [("id", line.id.encode()), ("uuid", line.uuid.encode())]
            try:
                sent = await producer.send(
                    self._settings.topic, line.content, key=line.session.encode(), headers=headers
                )
            except self._kafka.errors.MessageSizeTooLargeError:
                lost += 1
                continue
            waiting.append(sent)
        results = await asyncio.gather(*waiting, return_exceptions=True)
        for result in results:
            if isinstance(result, self._kafka.errors.MessageSizeTooLargeError):
                lost += 1
            elif isinstance(result, BaseException):
                raise result
        return Delivered(lost, "they are larger than the brokers take" if lost else "")

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = self._kafka.AIOKafkaProducer(
                bootstrap_servers=self._settings.url,
                enable_idempotence=True,
                linger_ms=5,
                max_request_size=_MOST,
                request_timeout_ms=self._settings.timeout_millis,
                **self._settings.security,
            )
            try:
                await producer.start()
            except BaseException:
                with contextlib.suppress(Exception):
                    await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _end(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(producer.stop(), self._settings.seconds)

    def close(self) -> None:
        """Close the connections."""
        if self._loop is not None:
            self._loop.run_until_complete(self._end())
            self._loop.close()
            self._loop = None


component = Component(sys.modules[__name__], "kafka")
