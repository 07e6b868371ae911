# SPDX-License-Identifier: Apache-2.0
"""OTLP over gRPC."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from nemo_relay.errors import MissingExtra
from nemo_relay_otel.config.section import Tls
from nemo_relay_otel.transport import tls as tls_files
from nemo_relay_otel.transport.codec import ProtobufCodec
from nemo_relay_spool.http import shown
from nemo_relay_spool.outcome import Item, Outcome, Refused, Retry, TooLarge

_METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
_TRANSIENT = (
    "CANCELLED DEADLINE_EXCEEDED ABORTED OUT_OF_RANGE UNAVAILABLE DATA_LOSS RESOURCE_EXHAUSTED INTERNAL UNKNOWN"
).split()


class GrpcTransport:
    """Sends batches with the export call of the signal's service.

    Raises:
        MissingExtra: grpcio is not installed (an ImportError).
        ValueError: a TLS file cannot be read.
    """

    def __init__(
        self,
        signal: str,
        endpoint: str,
        codec: ProtobufCodec,
        headers: Callable[[], Mapping[str, str]],
        timeout: float,
        tls: Tls,
        compress: bool,
    ) -> None:
        try:
            import grpc  # type: ignore[import-untyped]
        except ImportError:
            raise MissingExtra("OTLP over gRPC", "grpcio", "otel-grpc") from None
        self.target = shown(endpoint)
        self._codec = codec
        self._headers = headers
        self._timeout = timeout or None
        self._compression = grpc.Compression.Gzip if compress else grpc.Compression.NoCompression
        self._channel = _channel(endpoint, tls)
        self._call = self._channel.unary_unary(_METHODS[signal], _same, _same)

    def encode(self, record: Any) -> Item:
        """A record in protobuf."""
        return self._codec.encode(record)

    def send(self, items: Sequence[Item]) -> Outcome:
        """Try once."""
        import grpc

        try:
            metadata = [(name.lower(), value) for name, value in self._headers().items()]
            answer = self._call(
                self._codec.body(items), timeout=self._timeout, metadata=metadata, compression=self._compression
            )
        except grpc.RpcError as error:
            return _judge(error)
        except (OSError, ValueError) as error:
            return Retry(type(error).__name__)
        return self._codec.verdict(answer)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


def _same(content: bytes) -> bytes:
    return content


def _channel(endpoint: str, tls: Tls) -> Any:
    import grpc

    url = urlsplit(endpoint)
    target = url.netloc.rpartition("@")[2]
    options = [("grpc.enable_http_proxy", 1), ("grpc.max_reconnect_backoff_ms", 2_000)]
    if url.scheme == "http":
        return grpc.insecure_channel(target, options)
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(*tls_files.contents(tls)), options)


def _judge(error: Any) -> Outcome:
    code, details = error.code().name, error.details() or ""
    reason = f"gRPC {code}"
    if code == "RESOURCE_EXHAUSTED" and "larger than max" in details:
        return TooLarge(f"{reason}: {details[:200]}")
    if code in _TRANSIENT:
        return Retry(reason)
    return Refused(f"{reason}: {details[:200]}")
