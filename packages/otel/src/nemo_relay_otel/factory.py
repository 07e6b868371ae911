# SPDX-License-Identifier: Apache-2.0
"""Exporters from a configuration section, or around an exporter of the application's own."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from nemo_relay_otel.config import building
from nemo_relay_otel.config.checks import check_https, refuse_global_headers
from nemo_relay_otel.config.endpoints import is_derivable
from nemo_relay_otel.config.environment import makers as named_by_environment
from nemo_relay_otel.config.resource import UNKNOWN_SERVICE, resource
from nemo_relay_otel.config.section import Connection, ConsoleSink, FileSink, Section, SignalEndpoint, TraceEndpoint
from nemo_relay_otel.exporters import Exporters
from nemo_relay_otel.joining import Joiner
from nemo_relay_otel.projections import Settings
from nemo_relay_spool.counters import Diagnostics
from nemo_relay_spool.delivery import Limits
from nemo_relay_spool.pipeline import Pipeline

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter


Maker = Callable[[], Pipeline]


class Skipped(NamedTuple):
    """A destination that could not be set up."""

    field: str
    reason: str


def from_config(section: Mapping[str, Any] | Section, *, environment: bool = False) -> Exporters:
    """The destinations of an ``opentelemetry`` section.

    They are independent of each other: one that cannot be set up is left out, and told by ``diagnostics()`` under
    ``otel.destination_skipped``.

    Args:
        section: the section, as a mapping or validated.
        environment: whether to add the destinations that OpenTelemetry's standard variables name.

    Returns:
        A subscriber: ``register`` it, and ``shutdown`` it at the end.

    Raises:
        pydantic.ValidationError: the section is malformed (a ValueError).
        ValueError: none of its destinations can be set up.
    """
    checked = section if isinstance(section, Section) else Section.model_validate(dict(section))
    built = build(checked, lambda key, make: make(), environment=environment)
    return Exporters(built.pipelines, built.diagnostics, joiner=Joiner() if checked.join_application_traces else None)


class Built(NamedTuple):
    """What could be set up of a section."""

    pipelines: list[Pipeline]
    skipped: list[Skipped]
    diagnostics: Diagnostics


def build(checked: Section, adopt: Callable[[str, Maker], Pipeline], *, environment: bool) -> Built:
    """The pipelines of a section.

    Args:
        checked: the section.
        adopt: gives the pipeline of a key that is there already, or makes it.
        environment: whether to add what OpenTelemetry's variables name.

    Raises:
        ValueError: destinations are configured, and none of them can be set up.
    """
    diagnostics = Diagnostics("otel", "OpenTelemetry")
    pipelines: list[Pipeline] = []
    skipped: list[Skipped] = []
    makers = [*_makers(checked, diagnostics)]
    if environment:
        makers += ((name, checked.spool, make) for name, make in named_by_environment(checked.spool, diagnostics))
    for field, subject, make in makers:
        try:
            pipelines.append(adopt(_key(field, subject), make))
        except (ValueError, ImportError) as error:
            skipped.append(Skipped(field, str(error)))
            diagnostics.report("otel.destination_skipped", f"{field} is left out: {error}")
    if skipped and not pipelines:
        raise ValueError(
            "the OpenTelemetry section has no active destination: "
            + "; ".join(f"{each.field}: {each.reason}" for each in skipped)
        )
    return Built(pipelines, skipped, diagnostics)


def _key(field: str, subject: Any) -> str:
    """Says everything that a destination depends on, and shows none of it."""
    return f"{field}:{hashlib.sha256(pickle.dumps(subject)).hexdigest()}"


def _makers(section: Section, diagnostics: Diagnostics) -> Iterator[tuple[str, Any, Maker]]:
    """Each destination: its field, everything that it depends on, and what makes it."""
    for index, trace in enumerate(section.traces):
        yield f"traces[{index}]", (trace, section.spool), _trace(trace, section, diagnostics)
    for index, sink in enumerate(section.file_sinks):
        yield f"file_sinks[{index}]", sink, _file(sink, diagnostics)
    for index, console in enumerate(section.console_sinks):
        yield f"console_sinks[{index}]", console, _console(console, diagnostics)
    if section.logs.enabled:
        for field, each in _signal_endpoints(section, section.logs.endpoints, "logs", diagnostics):
            yield field, (each, section.logs, section.spool), _logs(each, section, diagnostics)
    if section.metrics.enabled:
        for field, each in _signal_endpoints(section, section.metrics.endpoints, "metrics", diagnostics):
            yield field, (each, section.metrics), _metrics(each, section, diagnostics)


def _file(config: FileSink, diagnostics: Diagnostics) -> Maker:
    return lambda: building.file_pipeline(config, diagnostics)


def _console(config: ConsoleSink, diagnostics: Diagnostics) -> Maker:
    return lambda: building.console_pipeline(config, diagnostics)


def _trace(config: TraceEndpoint, section: Section, diagnostics: Diagnostics) -> Maker:
    def make() -> Pipeline:
        refuse_global_headers("traces")
        check_https(config.endpoint)
        return building.trace_pipeline(config, section.spool, diagnostics)

    return make


def _logs(config: Connection, section: Section, diagnostics: Diagnostics) -> Maker:
    def make() -> Pipeline:
        refuse_global_headers("logs")
        return building.log_pipeline(config, section.logs, section.spool, diagnostics)

    return make


def _metrics(config: Connection, section: Section, diagnostics: Diagnostics) -> Maker:
    def make() -> Pipeline:
        refuse_global_headers("metrics")
        return building.metric_pipeline(config, section.metrics, diagnostics)

    return make


def _signal_endpoints(
    section: Section, given: list[SignalEndpoint] | None, signal: str, diagnostics: Diagnostics
) -> Iterator[tuple[str, Connection]]:
    """The endpoints of a signal: those that are given, else those of the traces that tell where it goes."""
    if given is not None:
        yield from ((f"{signal}.endpoints[{index}]", each) for index, each in enumerate(given))
        return
    for index, trace in enumerate(section.traces):
        if trace.grpc or is_derivable(trace.endpoint):
            yield f"{signal} of traces[{index}]", trace
        else:
            diagnostics.report(
                "otel.destination_skipped",
                f"traces[{index}] has a path that does not tell where {signal} go; configure {signal}.endpoints",
            )


def to_exporter(exporter: SpanExporter, type: str = "full", *, join: bool = True, **settings: Any) -> Exporters:
    """Spans to an exporter of OpenTelemetry's SDK, e.g. one that a vendor ships.

    Args:
        exporter: any ``SpanExporter``; it is used on a thread of its own and shut down at the end.
        type: ``full``, ``gen_ai`` or ``openinference``.
        join: whether spans join the application's own traces.
        settings: other fields of ``nemo_relay_otel.projections.Settings``.

    Returns:
        The exporters: ``register`` them, and ``shutdown`` at the end.
    """
    from nemo_relay_otel.signals.traces import Traces
    from nemo_relay_otel.transport.exporter import ExporterTransport

    chosen, diagnostics = Settings(type, **settings), Diagnostics("otel", "OpenTelemetry")
    pipeline = Pipeline(
        "traces",
        lambda: Traces(chosen, 60_000_000_000, diagnostics.report),
        lambda: ExporterTransport(exporter, resource(UNKNOWN_SERVICE), "opentelemetry"),
        building.in_memory(131_072),
        Limits(),
        5.0,
        diagnostics,
    )
    return Exporters([pipeline], diagnostics, joiner=Joiner() if join else None)
