# SPDX-License-Identifier: Apache-2.0
"""The hook command of hosts that cannot send HTTP: ``python -I -S forward.py HOST [OPTIONS] < payload``.

It runs once a hook, so it imports nothing but what is built into the interpreter: no package of ours, not even ``os``
and ``socket``, which take longer than all the rest. Where the gateway is comes from the environment, so that no secret
stands in a command line. A gateway that is gone is asked once: a mark beside its address makes the hooks that follow
give up at once.

``--fail-closed``: a policy must hold. ``--installed=URL``: the hook of an installed host, for what nobody launched.

Exit codes: 0, the host reads the answer; 2, a policy must hold and could not be asked.
"""

import _socket
import posix
import sys
from time import time

_CONNECT_SECONDS = 0.4
_SECONDS = 2.0
_FORGET = 30.0  # seconds for which a dead gateway is not asked again


class _Gone(OSError):
    """Nobody listens there."""


def _variable(name: str) -> str:
    return posix.environ.get(name.encode(), b"").decode("utf-8", "surrogateescape")


def _url(argv: list[str]) -> str:
    """Where the gateway is; empty where there is none to tell.

    A run that nobody records may find hooks of another run in its project: it has no gateway. An installed hook has one
    of its own, and stands aside in a run that is launched with hooks.
    """
    installed = [word for word in argv if word.startswith("--installed=")]
    if not installed:
        return _variable("NEMO_RELAY_GATEWAY_URL")
    return "" if b"NEMO_RELAY_HOOK_ID" in posix.environ else installed[0].partition("=")[2]


def _connected(url: str) -> _socket.socket:
    host, _, port = url.removeprefix("http://").rstrip("/").rpartition(":")
    family = _socket.AF_INET6 if ":" in host else _socket.AF_INET
    connection = _socket.socket(family, _socket.SOCK_STREAM)
    connection.settimeout(_CONNECT_SECONDS)
    try:
        connection.connect((host.strip("[]"), int(port)))
    except OSError as error:
        connection.close()
        raise _Gone(str(error)) from None
    connection.settimeout(_SECONDS)
    return connection


def _ask(url: str, host: str, payload: bytes) -> tuple[int, bytes]:
    token = _variable("NEMO_RELAY_HOOK_ID")
    head = (
        f"POST /hooks/{host} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"x-nemo-relay-proxy-token: {token}\r\nContent-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
    )
    connection = _connected(url)
    try:
        connection.sendall(head.encode() + payload)
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    finally:
        connection.close()
    first, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    return int(first.split(b" ", 2)[1]), body


def _is_known_dead(mark: str) -> bool:
    try:
        return time() - posix.stat(mark).st_mtime < _FORGET
    except OSError:
        return False


def _remember_dead(mark: str) -> None:
    try:
        posix.close(posix.open(mark, posix.O_CREAT | posix.O_WRONLY | posix.O_NOFOLLOW, 0o600))
        posix.utime(mark)
    except OSError:
        pass


def main(argv: list[str]) -> int:
    """Forward one hook; the exit code."""
    url = _url(argv)
    if not url:
        return 0
    payload = sys.stdin.buffer.read() or b"{}"
    folder = _variable("NEMO_RELAY_RUN_DIR")
    mark = f"{folder}/gateway-gone" if folder.startswith("/") else ""
    try:
        if mark and _is_known_dead(mark):
            raise ConnectionError("the gateway is gone")
        status, body = _ask(url, argv[1], payload)
        if status != 200:
            raise ConnectionError(f"the gateway answered with status {status}")
    except (OSError, ValueError, IndexError) as error:
        if mark and isinstance(error, _Gone):
            _remember_dead(mark)
        sys.stderr.write(f"nemo-relay hook forward failed: {error}\n")
        return 2 if "--fail-closed" in argv else 0
    sys.stdout.buffer.write(body)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
