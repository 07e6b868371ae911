# SPDX-License-Identifier: Apache-2.0
"""The script that looks for foreign private names sees each way to reach for one, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

import private_names

OWNER = "class Owner:\n    __slots__ = ('_slot',)\n    def __init__(self):\n        self._own = self._slot = 1\n"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("def f(other):\n    return other._x\n", "_x"),
        ("def f(other):\n    other._x = 1\n", "_x"),
        ("def f(self, other):\n    return other.thing._x()\n", "_x"),
        ("from somewhere import _x\n", "_x"),
        ("import somewhere\nsomewhere._x\n", "_x"),
    ],
)
def test_a_foreign_private_name(tmp_path: Path, code: str, name: str) -> None:
    (tmp_path / "module.py").write_text(code, encoding="utf-8")
    assert [access.name for access in private_names.accesses(tmp_path)] == [name]


@pytest.mark.parametrize(
    "code",
    [
        "def f(owner):\n    return owner._own + owner._slot\n",
        "class A:\n    def f(self):\n        return self._x\n",
        "class A(B):\n    def f(self):\n        return super()._x(), type(self)._y\n",
        "def f(other):\n    return other.__class__, other.x\n",
        "from . import _below\n",
    ],
)
def test_what_a_room_may_name(tmp_path: Path, code: str) -> None:
    (tmp_path / "_below").mkdir()
    (tmp_path / "owner.py").write_text(OWNER, encoding="utf-8")
    (tmp_path / "module.py").write_text(code, encoding="utf-8")
    assert list(private_names.accesses(tmp_path)) == []
