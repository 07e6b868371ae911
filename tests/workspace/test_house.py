# SPDX-License-Identifier: Apache-2.0
"""Each house rule finds the breach that it is there to find, in a small workspace of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import house
from workspace import ROOT, distributions

SPDX = house.LICENCE_LINE
VERSION = distributions()[0].version


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of what the rules read: settings, licences, one module per distribution."""
    for name in ("pyproject.toml", "Makefile", "LICENSE", "CHANGELOG.md", ".ci"):
        source, target = ROOT / name, tmp_path / name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    for dist in distributions():
        target = tmp_path / dist.path.relative_to(ROOT)
        shutil.copytree(dist.path, target, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    return tmp_path


def breaches(root: Path, rule: str) -> list[str]:
    return list(getattr(house, rule)(root))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_breach_fails_the_check(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "core" / "LICENSE").unlink()
    assert house.main(root) == 1
    assert "nemo-relay: its LICENSE is missing" in capsys.readouterr().err


def test_a_source_file_without_its_licence_line(root: Path) -> None:
    (root / "core" / "src" / "nemo_relay" / "made_up.py").write_text("x = 1\n", encoding="utf-8")
    assert f"core/src/nemo_relay/made_up.py: does not start with {SPDX!r}" in breaches(root, "licence_lines")


def test_a_module_over_the_ceiling(root: Path) -> None:
    (root / "core" / "src" / "nemo_relay" / "long.py").write_text(f"{SPDX}\n" + "x = 1\n" * 400, encoding="utf-8")
    assert any("nemo_relay/long.py: 401 lines" in breach for breach in breaches(root, "module_lengths"))


def test_an_exception_that_nothing_needs(root: Path) -> None:
    table = "[tool.house.long-modules]"
    edit(root / "pyproject.toml", table, f'{table}\n"core/gone.py" = "why"')
    assert any("core/gone.py" in breach for breach in breaches(root, "module_lengths"))


def test_one_distribution_on_another_version(root: Path) -> None:
    edit(root / "packages" / "viewer" / "pyproject.toml", f'version = "{VERSION}"', 'version = "9.9.9"')
    assert any(breach.startswith("nemo-relay-viewer: version '9.9.9'") for breach in breaches(root, "one_version"))


def test_a_sibling_that_is_not_pinned(root: Path) -> None:
    edit(root / "packages" / "viewer" / "pyproject.toml", f'"nemo-relay=={VERSION}"', '"nemo-relay>=0.11"')
    assert any("does not pin nemo-relay" in breach for breach in breaches(root, "one_version"))


def test_a_version_that_the_changelog_does_not_know(root: Path) -> None:
    edit(root / "CHANGELOG.md", f"## [{VERSION}]", "## [0.0.1]")
    assert f"CHANGELOG.md: no section '## [{VERSION}]'" in breaches(root, "one_version")


@pytest.mark.parametrize("package", ["core/src/nemo_relay", "packages/codecs/src/nemo_relay_codecs"])
def test_a_package_that_says_another_version(root: Path, package: str) -> None:
    edit(root / package / house.VERSION_MODULE, VERSION, "9.9.9")
    assert f"{package}/{house.VERSION_MODULE}: __version__ is not {VERSION!r}" in breaches(root, "one_version")


@pytest.mark.parametrize(
    "line", ["pip install nemo-relay", 'uv add "nemo-relay[langgraph]"', "pip install nemo-relay>=0.10"]
)
def test_b5_a_line_that_could_install_another_package_of_our_name(root: Path, line: str) -> None:
    (root / "docs").mkdir()
    (root / "docs" / "page.md").write_text(f"Type `{line}`.\n")
    assert any(breach.startswith("docs/page.md:1: ") for breach in breaches(root, "install_lines"))


def test_b5_each_sibling_asks_for_the_core_of_its_own_version() -> None:
    for dist in distributions():
        if f"nemo-relay=={VERSION}" in dist.project.get("dependencies", []):
            fronts = "".join(path.read_text() for path in dist.source.rglob("__init__.py"))
            assert f'expect_core("{dist.name}")' in fronts, dist.name


def test_a_distribution_without_licence_or_metadata(root: Path) -> None:
    (root / "core" / "LICENSE").unlink()
    edit(root / "core" / "pyproject.toml", "keywords", "other")
    assert {
        "nemo-relay: [project] lacks 'keywords'",
        "nemo-relay: its LICENSE is missing or differs from the one at the root",
    } <= set(breaches(root, "complete_distributions"))


def test_a_unit_without_a_contract(root: Path) -> None:
    package = root / "core" / "src" / "nemo_relay_new"
    package.mkdir()
    (package / "__init__.py").write_text(SPDX, encoding="utf-8")
    assert {
        "nemo_relay_new: no import contract in pyproject.toml",
        "nemo_relay_new: not among the root_packages of import-linter",
    } <= set(breaches(root, "contracts_for_all"))


def test_a_line_that_names_a_registry(root: Path) -> None:
    (root / "core" / "README.md").write_text("see pypi" + ".org/simple\n", encoding="utf-8")
    assert len(breaches(root, "no_registry_hosts")) == 1


def test_a_folder_with_too_many_modules(root: Path) -> None:
    room = root / "core" / "src" / "nemo_relay" / "_made_up"
    room.mkdir()
    for number in range(21):
        (room / f"m{number}.py").write_text(f"{SPDX}\n", encoding="utf-8")
    assert any("_made_up: 21 modules, over 20" in breach for breach in breaches(root, "wide_folders"))
    (room / "m0.py").unlink()
    assert breaches(root, "wide_folders") == []


def test_public_modules_are_no_room(root: Path) -> None:
    package = root / "core" / "src" / "nemo_relay"
    for number in range(21):
        (package / f"m{number}.py").write_text(f"{SPDX}\n__all__ = []\n", encoding="utf-8")
    assert breaches(root, "wide_folders") == []
    for number in range(21):
        (package / f"m{number}.py").write_text(f"{SPDX}\n", encoding="utf-8")
    assert [breach.partition(":")[0] for breach in breaches(root, "wide_folders")] == ["core/src/nemo_relay"]
