# SPDX-License-Identifier: Apache-2.0
"""Real brokers: in order, at least once, and once by uuid; away for a while; killed in between."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_relay import ScopeType, scope
from nemo_relay.testing import capture_events
from nemo_relay_sinks import Sink, open_sink

from .conftest import Broker, lines

pytestmark = [pytest.mark.backends, pytest.mark.timeout(180), pytest.mark.allow_blocking]
Open = Callable[..., Sink]


def redis_server(port: int, folder: Path) -> list[str]:
    return ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes"]


def nats_server(port: int, folder: Path) -> list[str]:
    return ["nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder)]


def in_redis(port: int, stream: str = "nemo-relay:events") -> list[tuple[str, bytes]]:
    import redis

    with redis.Redis(port=port) as client:
        entries: Any = client.xrange(stream)
        return [(entry[b"uuid"].decode(), entry[b"event"] + b"\n") for _, entry in entries]


async def in_nats(port: int) -> list[tuple[str, bytes]]:
    import nats

    client = await nats.connect(f"nats://127.0.0.1:{port}")
    stream = client.jetstream()
    count = (await stream.stream_info("NEMO_RELAY")).state.messages
    reader = await stream.pull_subscribe("", stream="NEMO_RELAY", durable="reader")
    found: list[tuple[str, bytes]] = []
    while len(found) < count:
        for message in await reader.fetch(min(count - len(found), 200), timeout=10):
            found.append(((message.headers or {})["Nats-Msg-Id"], message.data + b"\n"))
            await message.ack()
    await client.close()
    return found


def settled(sink: Sink) -> None:
    while not sink.force_flush(20):
        pass


def test_redis_gets_everything_once_and_in_order(broker: Callable[..., Broker], sink: Open) -> None:
    server = broker("redis-server", redis_server)
    made = sink(type="redis", url=f"redis://127.0.0.1:{server.port}/0")
    sent = lines(1200)
    for line in (*sent, *sent[-100:]):  # the last hundred twice
        made.write(line)
    settled(made)
    assert [event for _, event in in_redis(server.port)] == sent


def scopes(count: int) -> list[bytes]:
    """Starts and ends: each pair has one uuid."""
    with capture_events() as events:
        for _ in range(count):
            with scope.scope("planner", ScopeType.Agent):
                scope.event("noted")
    return [event.to_json().encode() + b"\n" for event in events.events]


def test_redis_gets_both_ends_of_a_scope_once(broker: Callable[..., Broker], sink: Open) -> None:
    server = broker("redis-server", redis_server)
    made = sink(type="redis", url=f"redis://127.0.0.1:{server.port}/0")
    sent = scopes(20)
    for line in (*sent, *sent):
        made.write(line)
    settled(made)
    assert [event for _, event in in_redis(server.port)] == sent


def test_nats_gets_both_ends_of_a_scope_once(broker: Callable[..., Broker], sink: Open) -> None:
    server = broker("nats-server", nats_server)
    made = sink(type="nats", url=f"nats://127.0.0.1:{server.port}")
    sent = scopes(20)
    for line in (*sent, *sent):
        made.write(line)
    settled(made)
    assert [event for _, event in asyncio.run(in_nats(server.port))] == sent


def test_redis_a_stream_a_session(broker: Callable[..., Broker], sink: Open) -> None:
    server = broker("redis-server", redis_server)
    made = sink(type="redis", url=f"redis://127.0.0.1:{server.port}/0", stream="relay:{session}")
    for one, other in zip(lines(20, "s1"), lines(20, "s2"), strict=True):
        made.write(one)
        made.write(other)
    settled(made)
    assert [event for _, event in in_redis(server.port, "relay:{s1}")] == lines(20, "s1")
    assert [event for _, event in in_redis(server.port, "relay:{s2}")] == lines(20, "s2")


def test_redis_away_for_a_while_and_back(broker: Callable[..., Broker], sink: Open) -> None:
    server = broker("redis-server", redis_server)
    made = sink(type="redis", url=f"redis://127.0.0.1:{server.port}/0", timeout_millis=1000)
    made.write(lines(1)[0])
    settled(made)
    server.stop()
    for line in lines(300, first=1):
        assert made.write(line)
    assert not made.force_flush(1)
    server.start()
    settled(made)
    assert [event for _, event in in_redis(server.port)] == lines(301)
    assert made.counters.retried >= 1


def test_nats_gets_everything_once_and_in_order(broker: Callable[..., Broker], sink: Open) -> None:
    server = broker("nats-server", nats_server)
    made = sink(type="nats", url=f"nats://127.0.0.1:{server.port}")
    sent = lines(1200)
    for line in (*sent, *sent[-100:]):
        made.write(line)
    settled(made)
    assert [event for _, event in asyncio.run(in_nats(server.port))] == sent


def test_nats_away_for_a_while_and_back(broker: Callable[..., Broker], sink: Open) -> None:
    server = broker("nats-server", nats_server)
    made = sink(type="nats", url=f"nats://127.0.0.1:{server.port}", timeout_millis=1000)
    made.write(lines(1)[0])
    settled(made)
    server.stop()
    for line in lines(300, first=1):
        assert made.write(line)
    assert not made.force_flush(1)
    server.start()
    settled(made)
    assert [event for _, event in asyncio.run(in_nats(server.port))] == lines(301)


def test_nats_an_event_that_no_server_takes_is_counted(broker: Callable[..., Broker], sink: Open) -> None:
    server = broker("nats-server", nats_server)
    made = sink(type="nats", url=f"nats://127.0.0.1:{server.port}")
    large = json.dumps({"uuid": "large", "name": "x" * 1_100_000}).encode() + b"\n"
    for line in (lines(1)[0], large, lines(2)[1]):
        made.write(line)
    settled(made)
    assert (made.counters.written, made.counters.dropped) == (2, 1)


def test_kafka_gets_everything_in_order(sink: Open) -> None:
    confluent = pytest.importorskip("confluent_kafka", reason="its mock brokers stand for a cluster")
    cluster = confluent.Producer({"bootstrap.servers": "x", "test.mock.num.brokers": 1})
    brokers = cluster.list_topics(timeout=20).brokers.values()
    address = ",".join(f"{one.host}:{one.port}" for one in brokers)
    made = sink(type="kafka", url=address, topic="events", timeout_millis=10_000)
    sent = lines(300)
    for line in sent:
        made.write(line)
    settled(made)
    reader = confluent.Consumer({"bootstrap.servers": address, "group.id": "g", "auto.offset.reset": "earliest"})
    reader.subscribe(["events"])
    got: list[tuple[bytes, bytes, bytes]] = []
    while len(got) < len(sent):
        message = reader.poll(10)
        assert message is not None
        assert message.error() is None, message.error()
        got.append((message.key(), dict(message.headers())["uuid"], message.value() + b"\n"))
    reader.close()
    assert [value for _, _, value in got] == sent
    assert {key for key, _, _ in got} == {b"s"}


KILLED = """
    import sys
    from nemo_relay import ScopeType, scope, subscribers
    from nemo_relay_sinks import open_sink
    sink = open_sink({"type": "redis", "url": sys.argv[1], "spool": {"directory": sys.argv[2]}})
    def hear(event): ...
    hear.__relay_sink__ = sink.write
    subscribers.register("sink", hear)
    for number in range(100_000):
        with scope.scope(f"run-{number}", ScopeType.Agent) as handle:
            print(handle.uuid, flush=True)
"""


def test_killed_at_any_moment_every_announced_start_arrives_once(broker: Callable[..., Broker], tmp_path: Path) -> None:
    server = broker("redis-server", redis_server)
    url, spool = f"redis://127.0.0.1:{server.port}/0", str(tmp_path / "spool")
    chance = random.Random(7)
    announced: list[str] = []
    for _ in range(12):
        command = [sys.executable, "-c", textwrap.dedent(KILLED), url, spool]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            announced.append(process.stdout.readline().strip())
            time.sleep(chance.uniform(0, 0.3))
            process.kill()
            announced += [line.strip() for line in process.stdout if line.endswith("\n")]
    after = open_sink({"type": "redis", "url": url, "spool": {"directory": spool}})
    after.write(lines(1, "last")[0])
    settled(after)
    assert after.shutdown(10)
    events = [json.loads(event) for _, event in in_redis(server.port)]
    keys = [(event["uuid"], event.get("scope_category")) for event in events]
    assert set(announced) <= {uuid for uuid, category in keys if category == "start"}
    assert set(announced[:-1]) & {uuid for uuid, category in keys if category == "end"}
    assert len(keys) == len(set(keys))
