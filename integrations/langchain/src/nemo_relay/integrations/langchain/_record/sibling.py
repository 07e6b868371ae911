# SPDX-License-Identifier: Apache-2.0
"""What adapters that stand on this one ask of the callback handler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from nemo_relay.integrations.langchain._failures import guard
from nemo_relay.integrations.langchain._options import AdapterOptions
from nemo_relay.integrations.langchain._runs import graphs, table
from nemo_relay.integrations.langchain._runs.lifecycle import mark
from nemo_relay.integrations.langchain._runs.table import RunInfo
from nemo_relay.integrations.langchain._views import payloads


class SiblingHandler(BaseCallbackHandler):
    """The runs of a handler, for the adapters of frameworks that are built on this one."""

    options = AdapterOptions()

    def observe(self, where: str, callback: Callable[..., Any], *args: Any) -> None:
        """Call ``callback(*args)``; what it raises is counted under ``where`` and stays inside.

        Args:
            where: the place that a failure is counted under.
            callback: what observes.
            *args: what it is called with.
        """
        guard(where, callback, *args)

    def run_info(self, run_id: UUID | None) -> RunInfo | None:
        """What is known of a run of the framework; None when it was not recorded."""
        run = table.find_run(run_id)
        return run.info() if run is not None else None

    def view(self, value: Any) -> Any:
        """``value`` as observers see it: messages, documents and commands in their canonical form."""
        return payloads.permitted(value, self.options.captured)

    def pause_run(self, run_id: UUID | None, interrupt_ids: Sequence[str]) -> None:
        """The graph run waits for these interrupts: it will end ``interrupted``.

        Args:
            run_id: the graph's run; nothing happens where it is not open.
            interrupt_ids: those of the interrupts that it waits for.
        """
        run = table.find_open_run(run_id)
        if run is not None:
            graphs.pause(run, interrupt_ids)

    def mark_once(
        self, run_id: UUID | None, key: object, name: str, data: Any, metadata: dict[str, Any] | None = None
    ) -> None:
        """A mark on the run's span by the first of several handlers; ``key`` names the occasion.

        Args:
            run_id: the framework's run; nothing happens where it is not known.
            key: what names the occasion; the first handler that comes with it makes the mark.
            name: of the mark.
            data: its payload.
            metadata: what else it says.
        """
        run = table.find_run(run_id)
        if run is not None and run.first(key):
            mark(run, name, data, metadata)
