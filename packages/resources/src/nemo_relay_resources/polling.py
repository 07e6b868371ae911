# SPDX-License-Identifier: Apache-2.0
"""The thread that samples again and again, and marks each agent that is open with what it found."""

from __future__ import annotations

import threading

from nemo_relay import ScopeHandle, logs, scope
from nemo_relay.runtime_registrations import is_heard
from nemo_relay.scope import OpenAgents
from nemo_relay_resources.collector import Collector
from nemo_relay_resources.config import Settings
from nemo_relay_resources.points import MARK, Points

_SCHEMA = {"name": "nemo.relay.metric_measurements", "version": "1"}


class Poller:
    """Samples at once and then every interval, until ``stop``. While nobody hears events it does not sample."""

    def __init__(self, settings: Settings, collector: Collector) -> None:
        self._seconds = settings.interval_seconds
        self._collector = collector
        self._points = Points(all_interfaces=bool(settings.interfaces))
        self._stopped = threading.Event()
        self._agents = OpenAgents()
        self._thread = threading.Thread(target=self._run, name="nemo-relay-resources", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._agents.watch()
        self._thread.start()

    def stop(self) -> None:
        """End; waits for a sample that is being taken."""
        self._stopped.set()
        self._agents.unwatch()
        self._thread.join(self._seconds + 1)

    def _run(self) -> None:
        self._agents.find()
        while not self._stopped.is_set():
            try:
                self._poll()
            except Exception as error:
                logs.report("resource_metrics_poll_failed", error)
            self._stopped.wait(self._seconds)

    def _poll(self) -> None:
        if not is_heard():
            return
        data = {"measurements": self._points.of(self._collector.collect())}
        agents: list[ScopeHandle | None] = [*self._agents.open()]
        for agent in agents or [None]:
            scope.event(MARK, handle=agent, data=data, data_schema=_SCHEMA)
