# SPDX-License-Identifier: Apache-2.0
"""For `make docs`: the reference of the API, a page for each public module of every distribution, from its docstrings.

Public is a module without an underscore in its name that lists its names in `__all__`. A page that says
`<!-- public modules -->` gets the table of them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from workspace import ROOT, Distribution, distributions

MARKER = "<!-- public modules -->"
INCLUDED = re.compile(r'--8<-- "(?P<file>[\w.]+)"')
FOLDER = "reference/api"


def modules_of(dist: Distribution) -> Iterator[tuple[str, ast.Module]]:
    """Dotted name and source of each public module of a distribution."""
    for file in dist.modules():
        name = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        if not any(part.startswith("_") for part in name.split(".")):
            tree = ast.parse((dist.source / file).read_bytes())
            if lists_its_names(tree):
                yield name, tree


def lists_its_names(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == "__all__" and isinstance(node.ctx, ast.Store)
        for statement in tree.body
        for node in ast.walk(statement)
    )


def public_modules() -> list[str]:
    """Dotted names: the core's first, then the other distributions'."""
    return [name for dist in distributions() for name, _ in sorted(modules_of(dist), key=lambda found: found[0])]


def table() -> str:
    """Markdown: of each module its distribution, a link to its page, and the first sentence of its docstring."""
    lines = ["| distribution | module | what it is |", "|---|---|---|"]
    for dist in distributions():
        for name, tree in sorted(modules_of(dist), key=lambda found: found[0]):
            first = (ast.get_docstring(tree) or "").partition("\n\n")[0].replace("\n", " ").replace("``", "`")
            lines.append(f"| `{dist.name}` | [`{name}`]({name}.md) | {first.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def page(module: str) -> str:
    # The top of the package offers again what the other pages show.
    options = "\n    options: { members: false }" if module == "nemo_relay" else ""
    return f"---\ntitle: {module}\n---\n\n::: {module}{options}\n"


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """MkDocs calls this once, with every page there is."""
    from mkdocs.structure.files import File  # type: ignore[import-not-found]

    for module in public_modules():
        files.append(File.generated(config, f"{FOLDER}/{module}.md", content=page(module)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs calls this with every page."""
    if included := INCLUDED.fullmatch(markdown.strip()):  # a page at the root, whose links start there
        markdown = (ROOT / included["file"]).read_text(encoding="utf-8").replace("](docs/", "](")
    return markdown.replace(MARKER, table())
