# SPDX-License-Identifier: Apache-2.0
"""Transcripts, spans and runs of other tools as ATOF events. The runtime offers it as ``nemo_relay.convert.read``."""

try:
    from nemo_relay.siblings import expect_core
except ImportError as error:
    raise ImportError(
        "nemo-relay-importers needs the nemo-relay of its own version, and found another package of that name: "
        'pip install --find-links dist "nemo-relay[importers]>=0.12"'
    ) from error
else:
    expect_core("nemo-relay-importers")

from .reading import FORMATS, UnknownFormat, read
from .report import ImportReport

__all__ = ["FORMATS", "ImportReport", "UnknownFormat", "read"]
