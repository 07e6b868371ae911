# SPDX-License-Identifier: Apache-2.0
"""Event streams to servers and brokers: HTTP, WebSocket, Redis Streams, NATS JetStream, Kafka.

Each kind is switched on by an entry of ``atof.sinks`` in ``plugins.toml``. Events go to a spool on the disk first, and
from there to their destination, in order and at least once; every event carries an id of its own, by which brokers
leave out what they have already.
"""

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-sinks needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay[sinks]>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-sinks")

from nemo_relay_sinks.opening import open_sink
from nemo_relay_sinks.sink import Sink

__all__ = ["Sink", "open_sink"]
