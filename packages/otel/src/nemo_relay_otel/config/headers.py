# SPDX-License-Identifier: Apache-2.0
"""The headers of an endpoint. Their values are shown nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nemo_relay_otel.config.checks import check_header_names, check_header_value, header_from_environment


class Headers:
    """Values that are given, that the environment holds, and that files hold; the latter are read each time.

    Raises:
        ValueError: a name or a value that cannot be sent; the text names the header, never the value.
    """

    def __init__(
        self,
        given: Mapping[str, str],
        from_environment: Mapping[str, str] | None = None,
        from_files: Mapping[str, str] | None = None,
    ) -> None:
        environment, files = from_environment or {}, from_files or {}
        check_header_names(given, environment, files)
        self._fixed = {name: check_header_value(name, value) for name, value in given.items()}
        self._fixed |= {name: header_from_environment(name, variable) for name, variable in environment.items()}
        self._files = {name: Path(path) for name, path in files.items()}
        for name in self._files:
            self._read(name)

    def __call__(self) -> dict[str, str]:
        """All of them, now.

        Raises:
            ValueError: a file cannot be read, or has nothing in it.
        """
        return {**self._fixed, **{name: self._read(name) for name in self._files}}

    def _read(self, name: str) -> str:
        try:
            value = self._files[name].read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ValueError(f"header_file.{name} file is unavailable") from None
        if not value:
            raise ValueError(f"header_file.{name} file is blank")
        return check_header_value(name, value)

    def __repr__(self) -> str:
        return f"<Headers {sorted([*self._fixed, *self._files])}>"
