# SPDX-License-Identifier: Apache-2.0
"""B5: an installation whose parts do not belong together says so, and what to type."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

import nemo_relay
from nemo_relay.errors import MixedInstallation
from nemo_relay.siblings import expect_core


def test_b5_one_version_passes() -> None:
    expect_core("nemo-relay-codecs")


def test_b5_what_is_not_installed_passes() -> None:
    expect_core("nemo-relay-nowhere")


def test_b5_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", {"nemo-relay-viewer": "9.9.9"}.__getitem__)
    with pytest.raises(ImportError, match=r"nemo-relay-viewer 9\.9\.9 cannot run on nemo-relay ") as refused:
        expect_core("nemo-relay-viewer")
    assert isinstance(refused.value, MixedInstallation)
    assert f'"nemo-relay-viewer=={nemo_relay.__version__}"' in str(refused.value)


def test_b5_codecs_of_another_version_stop_the_import() -> None:
    code = (
        "import nemo_relay_codecs; nemo_relay_codecs.__version__ = '9.9.9'\n"
        "try:\n    import nemo_relay\nexcept ImportError as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MixedInstallation nemo-relay-codecs 9.9.9 cannot run on nemo-relay ")
