# SPDX-License-Identifier: Apache-2.0
"""The hook command of hosts that cannot send HTTP: ``python -I -S forward.py HOST [OPTIONS] < payload``.

It runs once a hook, so it imports nothing but what starting costs anyway: no package of ours, no http.client. Where the
gateway is comes from the environment, so that no secret stands in a command line. A gateway that is gone is asked
once: a mark beside its address makes the hooks that follow give up at once.

``--fail-closed``: a policy must hold. ``--installed=URL``: the hook of an installed host, for what nobody launched.

Exit codes: 0, the host reads the answer; 2, a policy must hold and could not be asked.
"""

import os
import socket
import sys

_SECONDS = 2.0
_FORGET = 30.0  # seconds for which a dead gateway is not asked again


def _url(argv: list[str]) -> str:
    """Where the gateway is; empty where there is none to tell.

    A run that nobody records may find hooks of another run in its project: it has no gateway. An installed hook has one
    of its own, and stands aside in a run that is launched with hooks.
    """
    installed = [word for word in argv if word.startswith("--installed=")]
    if not installed:
        return os.environ.get("NEMO_RELAY_GATEWAY_URL", "")
    return "" if "NEMO_RELAY_HOOK_ID" in os.environ else installed[0].partition("=")[2]


def _target(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").rstrip("/").rpartition(":")
    return host.strip("[]"), int(port)


def _ask(address: tuple[str, int], host: str, payload: bytes) -> tuple[int, bytes]:
    token = os.environ.get("NEMO_RELAY_HOOK_ID", "")
    head = (
        f"POST /hooks/{host} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"x-nemo-relay-proxy-token: {token}\r\nContent-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(address, _SECONDS) as connection:
        connection.sendall(head.encode() + payload)
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    first, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    return int(first.split(b" ", 2)[1]), body


def _is_known_dead(mark: str) -> bool:
    import time

    try:
        return time.time() - os.stat(mark).st_mtime < _FORGET
    except OSError:
        return False


def main(argv: list[str]) -> int:
    """Forward one hook; the exit code."""
    host = argv[1]
    url = _url(argv)
    if not url:
        return 0
    closed = "--fail-closed" in argv
    payload = sys.stdin.buffer.read() or b"{}"
    mark = ""
    try:
        address = _target(url)
        mark = os.path.join(os.environ.get("NEMO_RELAY_RUN_DIR", ""), "gateway-gone")
        if os.path.isabs(mark) and _is_known_dead(mark):
            raise ConnectionError("the gateway is gone")
        status, body = _ask(address, host, payload)
        if status != 200:
            raise ConnectionError(f"the gateway answered with status {status}")
    except (OSError, ValueError, IndexError) as error:
        if os.path.isabs(mark) and isinstance(error, ConnectionRefusedError):
            try:
                os.close(os.open(mark, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
                os.utime(mark)
            except OSError:
                pass
        sys.stderr.write(f"nemo-relay hook forward failed: {error}\n")
        return 2 if closed else 0
    sys.stdout.buffer.write(body)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
