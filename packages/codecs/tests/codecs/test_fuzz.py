# SPDX-License-Identifier: Apache-2.0
"""Coverage-guided search with atheris, where it is installed: bytes into every reader, typed errors only."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import atheris

with atheris.instrument_imports(include=["nemo_relay"]):
    from nemo_relay import codecs
    from nemo_relay_codecs import sse
    from nemo_relay_codecs.values import parsed

    NAMES = sorted(surfaces.BUILTIN)
    for name in NAMES:  # loaded on first use, so it has to be here
        codecs.assembler(name)
        codecs.resolve(name).decode_response({})

import json


def one(data):
    if not data:
        return
    name, body = NAMES[data[0] % len(NAMES)], data[1:]
    stream = codecs.SSEAssembler(codecs.assembler(name))
    stream.feed(body)
    stream.finish()
    text = body.decode("utf-8", "replace")
    parsed(text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    codec = codecs.resolve(name)
    stream.assembler.push(value)
    stream.assembler.finish()
    codecs.chunk_mark(value, 0)
    for read, argument in ((codec.decode, codecs.LLMRequest({}, value)), (codec.decode_response, value)):
        try:
            view = read(argument)
            view.to_event()
        except codecs.CodecError:
            pass


atheris.Setup([sys.argv[0], "-runs=30000", "-max_total_time=40", "-seed=7", "-max_len=512"], one)
atheris.Fuzz()
"""


@pytest.mark.fuzz
@pytest.mark.timeout(120)
def test_no_bytes_raise_an_untyped_error() -> None:
    pytest.importorskip("atheris", reason="pip install atheris to run the coverage-guided search")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
