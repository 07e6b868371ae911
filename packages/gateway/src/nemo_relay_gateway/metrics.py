# SPDX-License-Identifier: Apache-2.0
"""What a gateway counts, as text that Prometheus reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # upper bounds of the histogram
_PREFIX = "nemo_relay_gateway_"


class Metrics:
    """Counters since the start. Labels have few values: providers and surfaces that are known, and statuses."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()  # by provider and what they were recorded as
        self.responses: Counter[int] = Counter()
        self._buckets = [0] * (len(_SECONDS) + 1)
        self._seconds = 0.0

    def answered(self, status: int, seconds: float) -> None:
        """The head of an answer is out."""
        self.responses[status] += 1
        self._seconds += seconds
        self._buckets[next((place for place, most in enumerate(_SECONDS) if seconds <= most), len(_SECONDS))] += 1

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """All of it in the exposition format.

        Args:
            gauges: values of this moment, each with what it means.
        """
        return "\n".join([*self._lines(), *_gauges(gauges), ""])

    def _lines(self) -> Iterator[str]:
        yield from _head("requests_total", "counter", "Requests for providers.")
        for (provider, surface), number in sorted(self.requests.items()):
            yield f'{_PREFIX}requests_total{{provider="{provider}",surface="{surface}"}} {number}'
        yield from _head("responses_total", "counter", "Answers by status, the gateway's own included.")
        for status, number in sorted(self.responses.items()):
            yield f'{_PREFIX}responses_total{{status="{status}"}} {number}'
        name = "response_seconds"
        yield from _head(name, "histogram", "Time from a whole request to the head of its answer.")
        total = 0
        for most, number in zip((*map(str, _SECONDS), "+Inf"), self._buckets, strict=True):
            total += number
            yield f'{_PREFIX}{name}_bucket{{le="{most}"}} {total}'
        yield f"{_PREFIX}{name}_sum {self._seconds:.6f}"
        yield f"{_PREFIX}{name}_count {total}"


def _gauges(gauges: Mapping[str, tuple[str, float]]) -> Iterator[str]:
    for name, (meaning, value) in gauges.items():
        yield from _head(name, "counter" if name.endswith("_total") else "gauge", meaning)
        yield f"{_PREFIX}{name} {value:g}"


def _head(name: str, kind: str, meaning: str) -> Iterator[str]:
    yield f"# HELP {_PREFIX}{name} {meaning}"
    yield f"# TYPE {_PREFIX}{name} {kind}"
