# SPDX-License-Identifier: Apache-2.0
"""The slot for models that run in this process: they find what has no form of its own, names and places.

A back end is an entry of the group ``nemo_relay.pii_models``: a callable that takes the ``local`` table as a dict and
gives an object with ``find(text) -> iterable of (start, end, name)``. ``presidio`` comes with this distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from time import perf_counter
from typing import Any, Protocol

from nemo_relay import logs
from nemo_relay.errors import MissingExtra
from nemo_relay_pii.finding import Find, Match
from nemo_relay_pii.models import Local

GROUP = "nemo_relay.pii_models"


class Model(Protocol):
    """A model at work."""

    def find(self, text: str) -> Iterable[tuple[int, int, str]]:
        """What it found in ``text``: start, end, the entity's name."""


def finder(local: Local) -> Find:
    """The search of the model that ``local`` names.

    Raises:
        MissingExtra: the library of the back end is not installed (an ImportError).
        ValueError: nobody has a back end of that name.
    """
    name = local.backend or "presidio"
    settings = local.model_dump()
    model: Model = Presidio(settings) if name == "presidio" else _installed(name)(settings)
    limit = local.max_latency_ms

    def find(text: str, context: str) -> list[Match]:
        began = perf_counter()
        found = sorted(Match(start, end, entity) for start, end, entity in model.find(text))
        if limit is not None and (perf_counter() - began) * 1_000 > limit:
            logs.report(
                "pii_model_slow", TimeoutError(f"{name} took longer than {limit} ms for {len(text)} characters")
            )
        kept: list[Match] = []
        for one in found:
            if not kept or one.start >= kept[-1].end:
                kept.append(one)
        return kept

    return find


def _installed(name: str) -> Callable[[dict[str, Any]], Model]:
    for entry in entry_points(group=GROUP, name=name):
        made: Callable[[dict[str, Any]], Model] = entry.load()
        return made
    known = ", ".join(sorted({"presidio", *(entry.name for entry in entry_points(group=GROUP))}))
    raise ValueError(f"PII redaction local-model backend {name!r} is unavailable in this runtime; known are {known}")


class Presidio:
    """``presidio-analyzer``. Without a ``model_id`` only its recognisers that need no model take part.

    Args:
        settings: the table ``local``.

    Raises:
        MissingExtra: presidio-analyzer is not installed (an ImportError).
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        try:
            from presidio_analyzer import RecognizerRegistry
            from presidio_analyzer.predefined_recognizers import SpacyRecognizer
        except ImportError:
            raise MissingExtra("backend = 'presidio'", "presidio-analyzer", "presidio", "nemo-relay-pii") from None
        wanted = [name.strip() for name in (settings["detector_profile"] or "").split(",") if name.strip()]
        self._entities = wanted or None
        self._engine = _spacy(settings) if settings["model_id"] else None
        self._recognizers: list[Any] = []
        if self._engine is None:
            registry = RecognizerRegistry()
            registry.load_predefined_recognizers(languages=["en"])
            self._recognizers = [one for one in registry.recognizers if not isinstance(one, SpacyRecognizer)]

    def find(self, text: str) -> Iterable[tuple[int, int, str]]:
        """What presidio found, above half its scale of certainty."""
        if self._engine is not None:
            results = self._engine.analyze(text, language="en", entities=self._entities, score_threshold=0.5)
        else:
            results = [
                found
                for one in self._recognizers
                for found in one.analyze(text, self._entities or one.supported_entities, None) or ()
                if found.score >= 0.5
            ]
        return [(one.start, one.end, one.entity_type.lower()) for one in results]


def _spacy(settings: dict[str, Any]) -> Any:
    from importlib.util import find_spec

    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    model = settings["model_id"]
    if find_spec(model) is None and not settings["allow_network"]:
        raise ValueError(f"the model {model!r} is not installed, and allow_network is not set: install it with pip")
    configuration = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}
    return AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=configuration).create_engine())
