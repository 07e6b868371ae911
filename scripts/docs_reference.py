# SPDX-License-Identifier: Apache-2.0
"""For `make docs`: a page that says `<!-- public modules -->` gets the reference of every public module there.

Public are the core's modules without an underscore, and the package of every other unit.
"""

from __future__ import annotations

from typing import Any

from workspace import distributions, unit_of

MARKER = "<!-- public modules -->"


def public_modules() -> list[str]:
    """Dotted names: the core's first, then the other units'."""
    names = set()
    for file in (file for dist in distributions() for file in dist.modules()):
        module = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        core = unit_of(module) == "nemo_relay" and module.count(".") == 1
        if (core or module == unit_of(module) != "nemo_relay") and "._" not in module:
            names.add(module)
    return sorted(names, key=lambda name: (unit_of(name) != "nemo_relay", name))


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs calls this with every page."""
    return markdown.replace(MARKER, "\n\n".join(f"::: {name}" for name in public_modules()))
