# SPDX-License-Identifier: Apache-2.0
"""What is in each wheel: all of the sources, the licence, and nothing else."""

from __future__ import annotations

import email
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import wheels as wheel_builder
from workspace import ROOT, Distribution

# The runtime must stay small: what knows nothing of it (codecs, configuration, projections, records) is a distribution
# of its own.
CORE_BYTES = 250_000


def members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_a_wheel_holds_exactly_the_sources(dist: Distribution, wheels: dict[str, Path]) -> None:
    packed = {name for name in members(wheels[dist.name]) if ".dist-info/" not in name}
    assert packed == {file.as_posix() for file in dist.files()}
    stray = re.compile(r"(^|/)(tests?/|test_|conftest\.py)")
    assert not [name for name in packed if stray.search(name)]


def test_a_wheel_carries_licence_and_metadata(dist: Distribution, wheels: dict[str, Path]) -> None:
    wheel = wheels[dist.name]
    stem = f"{dist.name.replace('-', '_')}-{dist.version}"
    assert wheel.name == f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(f"{stem}.dist-info/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    described = metadata(wheel)
    assert described["License-Expression"] == "Apache-2.0"
    assert described["Requires-Python"] == ">=3.11"
    assert described.get_payload(), "the README is missing from the metadata"


def test_types_are_announced(dist: Distribution, wheels: dict[str, Path]) -> None:
    """An adapter lives inside `nemo_relay`, whose marker comes with the core."""
    top_level = {file.parts[0] for file in dist.modules()}
    packed = members(wheels["nemo-relay"]) | members(wheels[dist.name])
    assert {f"{package}/py.typed" for package in top_level} <= packed


def test_the_core_stays_small(wheels: dict[str, Path]) -> None:
    assert wheels["nemo-relay"].stat().st_size < CORE_BYTES


# Python 3.11.4 brought the filter, 3.12 warns where none is named.
_FILTER: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def test_a_wheel_built_from_the_sdist_is_the_same(dist: Distribution, wheels: dict[str, Path], tmp_path: Path) -> None:
    sdist = wheel_builder.build(dist.path, tmp_path, "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, **_FILTER)
    rebuilt = wheel_builder.build(tmp_path / sdist.name.removesuffix(".tar.gz"), tmp_path / "rebuilt")
    assert members(rebuilt) == members(wheels[dist.name])
