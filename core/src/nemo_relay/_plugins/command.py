# SPDX-License-Identifier: Apache-2.0
"""``python -m nemo_relay.plugin``: the JSON Schema of ``plugins.toml``, and what there is to say about one."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from nemo_relay._plugins import host, kinds
from nemo_relay.errors import RelayError
from nemo_relay_configuration import schema, validation


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 when all is well, 1 when the document cannot be activated."""
    parser = argparse.ArgumentParser(prog="python -m nemo_relay.plugin", description=__doc__)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("schema", help="write the JSON Schema of plugins.toml")
    one.add_argument("path", nargs="?", help="the file to write; standard output without it")
    one.set_defaults(run=_schema)
    two = commands.add_parser("validate", help="say what would be activated here, and what is wrong with it")
    two.add_argument("path", nargs="?", help="a plugins.toml to read instead of the user's own")
    two.set_defaults(run=_validate)
    given = parser.parse_args(arguments)
    return int(given.run(given.path))


def _schema(path: str | None) -> int:
    text = json.dumps(schema.document(kinds), indent=2) + "\n"
    if path is None:
        sys.stdout.write(text)
    else:
        Path(path).write_text(text, encoding="utf-8")
    return 0


def _validate(path: str | None) -> int:
    try:
        report = validation.report(host.prepared({}, path), kinds)
    except RelayError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for found in report["config"]["diagnostics"]:
        where = "".join(f" [{found[key]}]" for key in ("component", "field") if key in found)
        print(f"{found['level']}: {found['code']}{where}: {found['message']}")
    print(json.dumps(report["resolved_config"], indent=2))
    return int(bool(validation.errors(report)))
