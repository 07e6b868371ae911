# SPDX-License-Identifier: Apache-2.0
"""Recorded events into trajectories and spans, by the code that makes them live, long after the run or during it.

>>> import tempfile
>>> from nemo_relay import ScopeType, convert, scope
>>> from nemo_relay.recording import record
>>> folder = tempfile.mkdtemp()
>>> with record(folder) as recording, scope.scope("planner", ScopeType.Agent):
...     pass
>>> made = convert.to_atif(recording.events_path, tempfile.mkdtemp())
>>> (made.count, made.torn)
(1, 0)

On the command line: ``python -m nemo_relay.convert events.jsonl --atif trajectories/`` and
``python -m nemo_relay.convert events.jsonl --spans http://127.0.0.1:6006/v1/traces --type openinference``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_relay._runtime.delivery.session import Style
from nemo_relay._runtime.delivery.sessions import Sessions
from nemo_relay._runtime.exports import claim
from nemo_relay._runtime.log import faults
from nemo_relay.errors import InvalidValue, MissingExtra, SinkError
from nemo_relay.siblings import names_of
from nemo_relay_configuration.observability import extensions
from nemo_relay_configuration.observability.templates import rendered, template_problem
from nemo_relay_projections.atif import SCHEMA_VERSIONS
from nemo_relay_records.files.lines import lines_of
from nemo_relay_records.files.places import Place

if TYPE_CHECKING:
    from nemo_relay_importers import ImportReport, UnknownFormat, read

__all__ = ["Converted", "ImportReport", "UnknownFormat", "read", "to_atif", "to_spans"]

_Path = str | os.PathLike[str]


@dataclass(slots=True)
class Converted:
    """What ``to_atif`` made.

    Attributes:
        written: the trajectory files; the last 10,000.
        count: how many there are.
        events: the lines that were read.
        torn: the lines that are no event: a crash tore them.
        missing: the large texts that are not beside the file any more: the documents have references in their place.
        failed: sessions whose file the disk did not take, by uuid, and why.
    """

    written: list[Path] = field(default_factory=list)
    count: int = 0
    events: int = 0
    torn: int = 0
    missing: int = 0
    failed: dict[str, OSError] = field(default_factory=dict)

    def _miss(self, text: str) -> None:
        self.missing += 1
        faults.report("blob_missing", FileNotFoundError(text))


def to_atif(
    path: _Path,
    directory: _Path,
    *,
    filename_template: str | None = None,
    agent: Mapping[str, Any] | None = None,
    include_observed_events: bool = False,
    include_llm_requests: bool = True,
    schema_version: str | None = None,
) -> Converted:
    """Make the trajectory of every session in a file of events; one that did not end is written as far as it goes.

    Args:
        path: the ATOF file, also one that is being written or is compressed (``.gz``).
        directory: gets the trajectories; made where it is missing. What is there under the same names is replaced.
        filename_template: their names, as in ``plugins.toml``; by default those that a recording gives them.
        agent: what documents say about the agent in place of the root scope's name and version: ``name``, ``version``,
            ``model_name``, ``tool_definitions``, ``extra``.
        include_observed_events: put every event of a session into its document.
        include_llm_requests: keep the requests in the steps.
        schema_version: of the documents, e.g. ``"ATIF-v1.7"``.

    Returns:
        What was made. It takes one pass over the file, and memory for the sessions that are open at one time.

    Raises:
        SinkError: the file cannot be read (a RuntimeError).
        InvalidValue: the template is none, or the schema version none that is written (a ValueError).
    """
    if schema_version is not None and schema_version not in SCHEMA_VERSIONS:
        raise InvalidValue(f"schema_version must be one of {', '.join(SCHEMA_VERSIONS)}, not {schema_version!r}")
    name: Callable[[str, Mapping[str, Any]], str] | None = None
    if filename_template is not None:
        wrong = template_problem(filename_template)
        if wrong:
            raise InvalidValue(f"filename_template {filename_template!r} {wrong}")
        name = _named(filename_template)
    style = Style(dict(agent or {}), name, include_observed_events, include_llm_requests, schema_version)
    sessions = Sessions(Path(os.path.abspath(directory)), lambda uuid: True, style=style)
    made = Converted()
    for line in _lines(path, made):
        sessions.take(line)
    sessions.finish()
    made.written, made.count, made.failed = list(sessions.written), sessions.count, dict(sessions.failed)
    return made


def to_spans(path: _Path, section: Mapping[str, Any]) -> dict[str, Any]:
    """Send the events of a file to OpenTelemetry destinations, or write them to files of spans.

    Args:
        path: the ATOF file.
        section: the destinations, as the ``opentelemetry`` table of ``plugins.toml`` has them, e.g.
            ``{"traces": [{"type": "openinference", "endpoint": "http://127.0.0.1:6006/v1/traces"}]}`` or
            ``{"file_sinks": [{"type": "full", "output_directory": "spans"}]}``.

    Returns:
        Counters by destination: what became of the events.

    Raises:
        MissingExtra: ``nemo-relay[otel]`` is not installed (an ImportError).
        SinkError: the file cannot be read (a RuntimeError).
        ValueError: the section is malformed.
        TimeoutError: a destination takes nothing.
    """
    found = extensions.load(extensions.CONVERTERS, "opentelemetry")
    if found is None:
        raise MissingExtra("conversion to spans", "nemo-relay-otel", "otel")
    counters: dict[str, Any] = found.send(_lines(path, Converted()), section)
    return counters


def _named(template: str) -> Callable[[str, Mapping[str, Any]], str]:
    return lambda session, metadata: rendered(template, session, metadata)


def _lines(path: _Path, made: Converted) -> Iterator[bytes]:
    """The whole lines of the file; what a crash tore is counted."""
    import msgspec

    given = Path(os.path.abspath(path))
    if not given.exists():
        raise SinkError(f"there is no events file {os.fspath(path)!r}")
    try:
        for line in lines_of([Place(given.parent, given.name)], made._miss):
            if not line.strip():
                continue
            made.events += 1
            try:
                msgspec.json.decode(line, type=_Event)
            except ValueError:  # not JSON, not an object, or not UTF-8
                made.torn += 1
                continue
            yield line
    except OSError as error:
        raise SinkError(f"cannot read the events in {os.fspath(path)!r}: {error.strerror or error}") from error


_Event = dict[str, Any]

claim(globals())

# What other tools wrote, as events: a distribution of its own (the extra `importers`).
__getattr__ = names_of("nemo_relay_importers", "importers", ["ImportReport", "UnknownFormat", "read"], globals())

if __name__ == "__main__":
    from nemo_relay._observability.command import main

    raise SystemExit(main(to_atif, to_spans))
