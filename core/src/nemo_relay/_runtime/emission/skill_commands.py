# SPDX-License-Identifier: Apache-2.0
"""Which files a shell command prints whole. Cautious: one plain command on one line, or no answer at all."""

from __future__ import annotations

import re

_ACTIVE = r"[|&;<>`]|\$\("
_WORD = r"""(?:[^\s'"]|'[^']*'|"[^"]*")+"""
_SHELLS = {"sh": ("-c",), "bash": ("-c", "-lc"), "zsh": ("-c", "-lc"), "fish": ("-c",)}
_POWERSHELLS = ("powershell", "pwsh")
_FLAGS = frozenset(("-asbytestream", "-force", "-raw"))
_PATHS = frozenset(("-path", "-literalpath"))
_VALUES = frozenset(("-encoding", "-readcount"))


def files_read(command: str, *, powershell: bool = False) -> list[str]:
    """The files that ``command`` prints; ``powershell`` where that is the shell it is given to.

    >>> files_read("bash -lc 'cat notes/a.md'")
    ['notes/a.md']
    >>> files_read("cat a.md | head")
    []
    """
    words = _words(command)
    if not words:
        return []
    shell = _executable(words[0])
    if shell in _SHELLS or shell in _POWERSHELLS:
        powershell = shell in _POWERSHELLS
        words = _inner(shell, words[1:]) or []
    return _printed(words, powershell) if words else []


def _words(command: str) -> list[str] | None:
    """``command`` split as a POSIX shell would, backslashes kept; None where it does more than run one program."""
    if "\n" in command or "\r" in command or re.sub(_WORD, "", command).strip():
        return None
    words = [re.sub(r"'([^']*)'|\"([^\"]*)\"", _unquoted, word) for word in re.findall(_WORD, command)]
    return None if any(re.search(_ACTIVE, word) for word in words) else words


def _unquoted(match: re.Match[str]) -> str:
    return match[1] if match[1] is not None else match[2]


def _executable(word: str) -> str:
    return re.split(r"[/\\]", word)[-1].lower().removesuffix(".exe")


def _inner(shell: str, words: list[str]) -> list[str] | None:
    """The command that a shell is started for."""
    if shell in _POWERSHELLS:
        if not words or words[0].lower() != "-command":
            return None
        return _words(words[1]) if len(words) == 2 else words[1:]
    if shell == "fish" and len(words) == 1 and words[0].startswith("--command="):
        return _words(words[0].removeprefix("--command="))
    return _words(words[1]) if len(words) == 2 and words[0] in _SHELLS[shell] else None


def _printed(words: list[str], powershell: bool) -> list[str]:
    program, rest = _executable(words[0]), words[1:]
    options = [word for word in rest if word.startswith("-")]
    files = [word for word in rest if not word.startswith("-")]
    if program == "cat" and not powershell:
        return files if set(options) <= {"-u", "--"} else []
    if program in ("bat", "batcat"):
        return files if options in (["-p"], ["--plain"]) else []
    return _got(rest) if program == "get-content" else []


def _got(words: list[str]) -> list[str]:
    """The files of a ``Get-Content``; none where it is given an option that could make it read less."""
    files: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            files.append(word)
            continue
        option, colon, value = word.partition(":")
        option = option.lower()
        if option in _PATHS:
            files.append(value if colon else next(rest, ""))
        elif option in _VALUES:
            if not colon:
                next(rest, None)
        elif option not in _FLAGS:
            return []
    return files
