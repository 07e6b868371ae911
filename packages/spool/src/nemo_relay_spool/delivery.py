# SPDX-License-Identifier: Apache-2.0
"""Delivering records: batches, attempts, waiting between them, and giving up."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nemo_relay_spool.counters import Counters, Diagnostics
from nemo_relay_spool.outcome import Delivered, Item, Refused, Retry, TooLarge, Transport

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a batch may become."""

    records: int = 512
    size: int = 4 << 20


class Pause:
    """Waiting that ends early when somebody asks for an attempt now, or for the end."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.urged = False  # somebody waits for a flush
        self.deadline: float | None = None  # after the end was asked for, the last moment for a retry

    def wait(self, seconds: float) -> None:
        """Wait, unless urged."""
        with self.condition:
            if self.deadline is not None:
                seconds = min(seconds, max(self.deadline - time.monotonic(), 0.0))
            if not self.urged:
                self.condition.wait(seconds)

    def over(self) -> bool:
        """Whether the last moment has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline


class Delivery:
    """Hands batches to a transport until it takes them.

    Args:
        signal: ``traces``, ``logs`` or ``metrics``.
        transport: the way there.
        limits: how large a batch may be.
        counters: where it counts.
        diagnostics: hears of failures.
        pause: how it waits.
    """

    def __init__(
        self,
        signal: str,
        transport: Transport,
        limits: Limits,
        counters: Counters,
        diagnostics: Diagnostics,
        pause: Pause,
    ) -> None:
        self._signal = signal
        self.transport = transport
        self._limits = limits
        self._counters = counters
        self._diagnostics = diagnostics
        self._pause = pause
        self.failing = False  # the last attempt failed, and there will be another

    def deliver(self, items: Sequence[Item], patient: bool) -> bool:
        """Deliver; False when it was told to stop before that.

        Args:
            items: what is to be delivered, in its order.
            patient: whether to stop at the first failure once the end was asked for, since what is left is kept.
        """
        waiting = list(self._batches(items))[::-1]
        failures = 0
        while waiting:
            batch = waiting.pop()
            outcome = self.transport.send(batch)
            if isinstance(outcome, TooLarge) and len(batch) > 1:
                middle = len(batch) // 2
                waiting += [batch[middle:], batch[:middle]]
            elif isinstance(outcome, Retry):
                waiting.append(batch)
                failures += 1
                if not self._again(outcome, failures, patient):
                    return False
            else:
                failures = 0
                self._settle(batch, outcome)
        return True

    def _batches(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        batch: list[Item] = []
        size = 0
        for item in items:
            if batch and (len(batch) >= self._limits.records or size + item.size > self._limits.size):
                yield batch
                batch, size = [], 0
            batch.append(item)
            size += item.size
        if batch:
            yield batch

    def _settle(self, batch: list[Item], outcome: Delivered | Refused | TooLarge) -> None:
        self.failing = False
        counters, target = self._counters, self.transport.target
        if isinstance(outcome, Delivered):
            rejected = min(outcome.rejected, len(batch))
            counters.written += len(batch) - rejected
            counters.dropped += rejected
            if rejected or outcome.reason:
                explanation = outcome.reason or "no reason given"
                self._report("partially_rejected", f"{target} did not take {rejected} of {len(batch)}: {explanation}")
            return
        counters.dropped += len(batch)
        self._report("export_refused", f"{target} refused {len(batch)} for good: {outcome.reason}")

    def _report(self, what: str, message: str) -> None:
        self._diagnostics.report(f"{self._signal}_{what}", f"{self._diagnostics.title} {self._signal}: {message}")

    def _again(self, outcome: Retry, failures: int, patient: bool) -> bool:
        """Wait for the next attempt; False when there is to be none."""
        self.failing = True
        self._counters.retried += 1
        self._report("export_failed", f"export to endpoint {self.transport.target} failed: {outcome.reason}")
        pause = self._pause
        with pause.condition:
            pause.urged = False  # whoever waits for a flush is told now that it did not work
            pause.condition.notify_all()
        if pause.over() or (pause.deadline is not None and patient):
            return False
        longest = min(_FIRST_WAIT * 2 ** min(failures - 1, 10), _LONGEST_WAIT)
        pause.wait(outcome.after if outcome.after is not None else random.uniform(longest / 2, longest))
        return not (pause.deadline is not None and (patient or pause.over()))
