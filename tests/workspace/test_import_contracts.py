# SPDX-License-Identifier: Apache-2.0
"""Each import contract of `pyproject.toml` breaks on the import that it is there to refuse."""

from __future__ import annotations

from typing import Any

import pytest
from grimp import ImportGraph

import import_contracts
from workspace import ROOT, read_toml, unit_of

CORE = "nemo_relay"
LANGCHAIN = "nemo_relay.integrations.langchain"
LANGGRAPH = "nemo_relay.integrations.langgraph"
DEEPAGENTS = "nemo_relay.integrations.deepagents"
CONTRACTS = {
    contract["unit"]: contract
    for contract in read_toml(ROOT / "pyproject.toml")["tool"]["importlinter"]["contracts"]
    if contract["type"] == "unit"
}


def kept(importer: str, imported: str, *, line: int = 1) -> bool:
    """Whether the contract of the importer's unit holds in a graph with that one import."""
    options: dict[str, Any] = dict(CONTRACTS[unit_of(importer)])
    contract = import_contracts.Unit(options["name"], {}, options)
    graph = ImportGraph()
    graph.add_import(importer=importer, imported=imported, line_number=line, line_contents="import it")
    return contract.check(graph, verbose=False).kept


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        (CORE, "opentelemetry"),
        (CORE, "pytest"),
        (CORE, "pydantic"),
        (CORE, "genai_prices"),
        (f"{CORE}.scope", LANGCHAIN),
        (f"{CORE}._runtime.publish", "nemo_relay_viewer"),
        (LANGCHAIN, f"{CORE}._runtime"),
        (LANGCHAIN, f"{CORE}._runtime.events"),
        (LANGCHAIN, LANGGRAPH),
        (LANGCHAIN, "langgraph"),
        (LANGGRAPH, f"{LANGCHAIN}._handler"),
        (LANGGRAPH, f"{CORE}._runtime"),
        (LANGGRAPH, "nemo_relay_provider"),
        (DEEPAGENTS, f"{LANGGRAPH}._handler"),
        (DEEPAGENTS, f"{CORE}._runtime.events"),
        ("nemo_relay_viewer", f"{CORE}._runtime.tree"),
        ("nemo_relay_otel.pipeline", f"{CORE}._runtime.log"),
        ("nemo_relay_otel", "opentelemetry"),
        ("nemo_relay_codecs.base", CORE),
        ("nemo_relay_codecs", "genai_prices"),
        ("nemo_relay_resources.polling", f"{CORE}._runtime.log"),
        ("nemo_relay_resources", "psutil"),
        ("nemo_relay_importers.reading", f"{CORE}._runtime.events"),
        ("nemo_relay_replay.replaying", f"{CORE}._runtime.registry"),
        ("nemo_relay_projections.atif", CORE),
        ("nemo_relay_configuration.validation", CORE),
        ("nemo_relay_records.encoding", CORE),
        ("nemo_relay_sinks.sink", f"{CORE}._runtime.log"),
        ("nemo_relay_spool.pipeline", CORE),
        ("nemo_relay_state.memory", CORE),
        ("nemo_relay_gateway.server", f"{CORE}._runtime.log"),
        ("nemo_relay_cli.main", f"{CORE}._runtime.log"),
        ("nemo_relay_guard.guard", f"{CORE}._runtime.registry"),
        ("nemo_relay_guard", "redis"),
        ("nemo_relay_pii.surfaces", f"{CORE}._runtime.log"),
        ("nemo_relay_pii", "phonenumbers"),
        ("nemo_relay_storage.http_store", f"{CORE}._runtime.log"),
        ("nemo_relay_viewer", LANGGRAPH),
        ("nemo_relay_provider", CORE),
    ],
)
def test_a_contract_refuses(importer: str, imported: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_contracts, "lines_inside_functions", lambda module: frozenset({7}))
    assert not kept(importer, imported)


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        (CORE, "msgspec"),
        (f"{CORE}.scope", f"{CORE}._runtime.context"),
        (f"{CORE}._runtime.context", "contextvars"),
        (LANGCHAIN, f"{CORE}.scope"),
        (LANGCHAIN, f"{LANGCHAIN}._runs"),
        (LANGGRAPH, LANGCHAIN),
        (DEEPAGENTS, LANGGRAPH),
        ("nemo_relay_viewer", "rich"),
    ],
)
def test_a_contract_allows(importer: str, imported: str) -> None:
    assert kept(importer, imported)


def test_a_lazy_library_is_allowed_only_inside_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_contracts, "lines_inside_functions", lambda module: frozenset({7}))
    assert kept(f"{CORE}.usage", "pydantic", line=7)
    assert not kept(f"{CORE}.usage", "pydantic", line=3)


def test_a_contract_without_its_unit_is_broken() -> None:
    contract = import_contracts.Unit("gone", {}, {"unit": "nemo_relay_gone"})
    assert not contract.check(ImportGraph(), verbose=False).kept


def test_every_unit_is_proven_here() -> None:
    """A new contract wants its own line in `test_a_contract_refuses`."""
    marks = test_a_contract_refuses.pytestmark  # type: ignore[attr-defined]
    proven = {unit_of(importer) for importer, _ in marks[0].args[1]}
    assert proven == set(CONTRACTS)


def test_the_rooms_of_the_core_are_a_column() -> None:
    layers = next(
        contract
        for contract in read_toml(ROOT / "pyproject.toml")["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    rooms = ["managed", "emission", "delivery", "registry", "tree", "events", "log"]
    assert layers["layers"][:7] == rooms and layers["exhaustive"]
    folders = (path.parent for path in (ROOT / "core/src/nemo_relay/_runtime").glob("*/__init__.py"))
    assert sorted(folder.name for folder in folders) == sorted(rooms)
