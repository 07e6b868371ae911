# SPDX-License-Identifier: Apache-2.0
"""The adapters' own tests pass on the oldest and on the newest frameworks that their metadata admits (scenario 64)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import version_matrix
from workspace import ROOT, distributions

pytestmark = [pytest.mark.slow_install, pytest.mark.timeout(1500)]
BOUND = re.compile(r"^(lang[a-z-]*|deepagents)[^>]*>=([0-9.]+)")


@pytest.fixture(scope="module", params=version_matrix.MATRIX)
def entry(request: pytest.FixtureRequest) -> tuple[str, dict[str, str]]:
    """Its name, and what is installed in its venv."""
    try:
        return request.param, version_matrix.provide(request.param)
    except version_matrix.RegistryOutOfReach as error:
        pytest.skip(f"the package registry is out of reach: {error}")


def lower_bounds() -> Iterator[tuple[str, str]]:
    """Each framework that an adapter's metadata names, and the oldest version it admits."""
    for dist in distributions():
        if not dist.path.is_relative_to(ROOT / "integrations"):
            continue
        extras = dist.project.get("optional-dependencies", {})
        for requirement in [*dist.project["dependencies"], *(each for extra in extras.values() for each in extra)]:
            if found := BOUND.match(requirement):
                yield found[1], found[2]


def padded(version: str) -> str:
    """Three numbers, as releases have."""
    return ".".join([*version.split("."), "0", "0"][:3])


# The oldest version of each framework, and the entry that runs on it.
OLDEST = {
    "langchain-core": "lowest-plain",
    "langchain": "lowest",
    "langgraph": "lowest",
    "deepagents": "lowest",
}


def test_s64_the_adapters_pass(entry: tuple[str, dict[str, str]]) -> None:
    name, installed = entry
    for framework, oldest in lower_bounds():
        if OLDEST[framework] == name:
            assert installed[framework] == padded(oldest), "the metadata admits a version that nothing is run on"
    ended = version_matrix.run(name, "-q", capture=True)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
