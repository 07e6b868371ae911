# SPDX-License-Identifier: Apache-2.0
"""``nemo-relay model-pricing``: catalogues of prices, and what a call would cost."""

from __future__ import annotations

import json
from pathlib import Path

import click

from nemo_relay import model_pricing, plugin
from nemo_relay.codecs import AnnotatedLLMResponse
from nemo_relay.errors import RelayError
from nemo_relay_cli.commands.plugins import scoped
from nemo_relay_cli.documents import Document, place
from nemo_relay_cli.errors import CommandError, ConfigurationError
from nemo_relay_codecs.prices import component

_SOURCES = "pricing.sources"
_COUNTS = {
    "prompt": "tokens sent, the cached ones included",
    "completion": "tokens received",
    "cache_read": "tokens read from the provider's cache",
    "cache_write": "tokens written to it",
}


@click.group("model-pricing")
def pricing_command() -> None:
    """Prices of models: check catalogues, name them in plugins.toml, ask what a call costs."""


@pricing_command.command("validate")
@click.argument("path", type=click.Path(path_type=Path))
def validate_command(path: Path) -> None:
    """Check PATH, a JSON file of prices. Exit code 1 when something is wrong with it."""
    count = _checked(path)
    click.echo(f"Valid model pricing catalog: {path.name} ({count} {'entry' if count == 1 else 'entries'})")


@pricing_command.command("init")
@scoped
def init_command(scope: str) -> None:
    """Make sure that plugins.toml has a component for prices."""
    document = Document(place(scope))
    if "pricing" not in document.kinds():
        document.set(_SOURCES, [])
        document.save()
    click.echo(f"{document.path}: has a pricing component")


@pricing_command.command("add-source")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--append", is_flag=True, help="After those that are there, which then go first.")
@scoped
def add_command(path: Path, append: bool, scope: str) -> None:
    """Name PATH in plugins.toml, before the sources that are there: its prices go over theirs."""
    path = path.resolve()
    _checked(path)
    document = Document(place(scope))
    source = {"type": "file", "path": str(path)}
    try:
        sources = [one for one in document.get(_SOURCES) if one != source]
    except KeyError:
        sources = []
    document.set(_SOURCES, [*sources, source] if append else [source, *sources])
    document.save()
    click.echo(f"{document.path}: {len(sources) + 1} sources, {'the last' if append else 'the first'} is {path}")


def _counts(function: click.decorators.FC) -> click.decorators.FC:
    for name, text in _COUNTS.items():
        flag = f"--{name.replace('_', '-')}-tokens"
        function = click.option(flag, type=click.IntRange(min=0), help=f"How many {text}.")(function)
    return function


@pricing_command.command("resolve")
@click.argument("model")
@click.option("--provider", help="Who serves it, for models that several providers price.")
@click.option("--json", "as_json", is_flag=True, help="For a machine.")
@_counts
def resolve_command(model: str, provider: str | None, as_json: bool, **counts: int | None) -> None:
    """Print the price of MODEL by the sources that are configured here; with token counts, what a call costs."""
    given = {name: count for name, count in counts.items() if count is not None}
    usage = given or {"prompt_tokens": 1_000_000}
    try:
        report = plugin.validate({})
        configs = [
            one.get("config", {})
            for one in (report.get("resolved_config") or {}).get("components", ())
            if one.get("kind") == "pricing" and one.get("enabled", True)
        ]
        if not configs or not configs[0].get("sources"):
            raise ConfigurationError("no sources of prices are configured; `nemo-relay model-pricing add-source FILE`")
        component.activate(configs[0])
        priced = model_pricing.price(AnnotatedLLMResponse(model=model, usage=usage), provider)
    except (RelayError, OSError, ValueError) as error:
        raise ConfigurationError(str(error)) from None
    if priced.cost is None:
        raise CommandError(f"no price is known for {model!r}: {priced.status}")
    found = {name.removeprefix("pricing_"): priced.cost[name] for name in priced.cost if name.startswith("pricing_")}
    if given:
        found["estimated_total"] = priced.cost.get("total", "unavailable")
    found["currency"] = priced.cost["currency"]
    click.echo(json.dumps(found) if as_json else "\n".join(f"{name} = {value}" for name, value in found.items()))


def _checked(path: Path) -> int:
    """The number of entries of a catalogue that can be used."""
    config = model_pricing.PricingConfig([model_pricing.FileSource(str(path))])
    report = model_pricing.validate_config(config)
    problems = [str(one["message"]) for one in report["diagnostics"] if one["level"] == "error"]
    if problems:
        raise ConfigurationError(f"{path}: {'; '.join(problems)}")
    return len(json.loads(path.read_text(encoding="utf-8"))["entries"])
