# SPDX-License-Identifier: Apache-2.0
"""What can record an agent run, each as its own documentation sets it up, with whatever would send the result away
replaced by something that drops it.

All of them record the inputs and outputs of model calls and tool calls in serialised form; ``PINNED`` says how far each
gets. The libraries are imported by name, since each lives in a venv of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple


class Recorder:
    """Records nothing. ``start`` turns it on, ``flush`` waits until all is delivered, ``stop`` turns it off."""

    heard = 0  # events or spans that arrived
    size = 0  # bytes that arrived, where they are counted

    def middleware(self) -> list[Any]:
        """What goes into the agent when it is built."""
        return []

    def start(self) -> list[Any]:
        """The callback handlers for the runs that follow."""
        return []

    def flush(self) -> None:
        """Nothing to wait for."""

    def stop(self) -> None:
        """Nothing to turn off."""


class Relay(Recorder):
    """Ours and the published package: the same names in both."""

    def __init__(self, *, middleware: bool, file: bool, **options: Any) -> None:
        program = import_module("program")
        self._options = options
        self._listener = program.AtofFile() if file else program.Subscriber(reads=False)
        self._layers = [import_module("nemo_relay.integrations.langchain").NemoRelayMiddleware] if middleware else []

    def middleware(self) -> list[Any]:
        return [layer() for layer in self._layers]

    def start(self) -> list[Any]:
        self._listener.heard = 0
        self._listener.__enter__()
        package = import_module("nemo_relay.integrations.langgraph")
        options = [package.AdapterOptions(**self._options)] if self._options else []
        return [package.NemoRelayCallbackHandler(*options)]

    def flush(self) -> None:
        self._listener.flush()

    def stop(self) -> None:
        self._listener.__exit__(None, None, None)
        self.heard, self.size = self._listener.heard, self._listener.size


class Silent(Relay):
    """Our handler, with nobody listening."""

    def __init__(self) -> None:
        super().__init__(middleware=False, file=False)
        self._listener = import_module("program").Nobody()


class _Spans(Recorder):
    """An OpenTelemetry pipeline whose exporter drops what it gets; the queue holds all that a measurement makes."""

    def __init__(self) -> None:
        recorder, export = self, import_module("opentelemetry.sdk.trace.export")

        class Null(export.SpanExporter):  # type: ignore[name-defined, misc]
            def export(self, spans: Any) -> Any:
                recorder.heard += len(spans)
                return export.SpanExportResult.SUCCESS

        self.exporter = Null()
        sdk = import_module("opentelemetry.sdk.trace")
        self.provider = sdk.TracerProvider(span_limits=sdk.SpanLimits(max_attributes=100_000))

    def pipeline(self) -> Any:
        """The provider, with the usual batching in front of the exporter."""
        export = import_module("opentelemetry.sdk.trace.export")
        self.provider.add_span_processor(export.BatchSpanProcessor(self.exporter, max_queue_size=QUEUE))
        return self.provider

    def flush(self) -> None:
        self.provider.force_flush()


class Instrumented(_Spans):
    """A library that patches LangChain, for the whole life of the process: OpenLLMetry cannot undo all of it."""

    def __init__(self, module: str, name: str) -> None:
        super().__init__()
        getattr(import_module(module), name)().instrument(tracer_provider=self.pipeline())

    def start(self) -> list[Any]:
        self.heard = 0
        return []


class Langfuse(_Spans):
    """Its callback handler; spans go through its own processor, which batches and transforms them."""

    def __init__(self) -> None:
        super().__init__()
        os.environ["OTEL_BSP_MAX_QUEUE_SIZE"] = str(QUEUE)
        keys = {"public_key": "pk-bench", "secret_key": "sk-bench", "base_url": "http://127.0.0.1:9"}
        self._client = import_module("langfuse").Langfuse(
            **keys, tracer_provider=self.provider, span_exporter=self.exporter
        )

    def start(self) -> list[Any]:
        self.heard = 0
        return [import_module("langfuse.langchain").CallbackHandler()]


class LangSmith(Recorder):
    """Its tracer and its client, batching in a thread as usual; the HTTP session answers 202 without sending."""

    def __init__(self) -> None:
        requests, recorder = import_module("requests"), self

        class Null(requests.Session):  # type: ignore[name-defined, misc]
            def request(self, method: str, url: str, **kwargs: Any) -> Any:
                recorder.heard += 1
                answer = requests.Response()
                answer.status_code, answer._content = 202, b"{}"
                return answer

        batches = {"use_multipart_endpoint": True, "size_limit": 100, "size_limit_bytes": 20_000_000}
        threads = {"scale_up_qsize_trigger": 1000, "scale_up_nthreads_limit": 16, "scale_down_nempty_trigger": 4}
        info = {"version": "bench", "batch_ingest_config": {**batches, **threads}}
        client = {"api_url": "http://127.0.0.1:9", "api_key": "bench", "session": Null(), "info": info}
        self._client = import_module("langsmith").Client(**client)

    def start(self) -> list[Any]:
        self.heard = 0
        self._tracer = import_module("langchain_core.tracers").LangChainTracer(client=self._client)
        return [self._tracer]

    def flush(self) -> None:
        self._tracer.wait_for_futures()
        self._client.flush()


QUEUE = 200_000

RECORDERS: dict[str, Callable[[], Recorder]] = {
    "ours": lambda: Relay(middleware=False, file=False),
    "ours, middleware": lambda: Relay(middleware=True, file=False),
    "ours, file": lambda: Relay(middleware=False, file=True),
    "ours, middleware, file": lambda: Relay(middleware=True, file=True),
    "ours, silent": Silent,
    "ours, repeating": lambda: Relay(middleware=False, file=False, dedupe_state=False),
    "ours, repeating, file": lambda: Relay(middleware=False, file=True, dedupe_state=False),
    "nothing": Recorder,
    "published": lambda: Relay(middleware=True, file=False),
    "published, file": lambda: Relay(middleware=True, file=True),
    "openinference": lambda: Instrumented("openinference.instrumentation.langchain", "LangChainInstrumentor"),
    "openllmetry": lambda: Instrumented("opentelemetry.instrumentation.langchain", "LangchainInstrumentor"),
    "langfuse": Langfuse,
    "langsmith": LangSmith,
}
PUBLISHED = ("published", "published, file")


class Competitor(NamedTuple):
    """A library of others: what to install, and what its numbers contain."""

    requirements: tuple[str, ...]
    records: str


PINNED = {
    "openinference": Competitor(
        ("openinference-instrumentation-langchain==0.1.80", "opentelemetry-sdk==1.45.2"),
        "spans with inputs and outputs as JSON attributes, through a BatchSpanProcessor, up to the exporter",
    ),
    "openllmetry": Competitor(
        ("opentelemetry-instrumentation-langchain==0.62.4", "opentelemetry-sdk==1.45.2"),
        "spans with inputs and outputs as JSON attributes, through a BatchSpanProcessor, up to the exporter",
    ),
    "langfuse": Competitor(
        ("langfuse==5.0.4",),
        "spans with inputs and outputs as JSON attributes, through its own processor, up to the exporter",
    ),
    "langsmith": Competitor(
        (),
        "runs with inputs and outputs as JSON, batched into multipart bodies by its thread, up to the HTTP session",
    ),
}
