# SPDX-License-Identifier: Apache-2.0
"""How secrets look, wherever they stand: keys of providers, bearer tokens, passwords in addresses, private keys."""

from __future__ import annotations

import re

# Where a pattern has a group named ``secret``, only that is masked.
DEFAULT_VALUES = (
    r"\bsk-(?:ant-|proj-|or-|lf-|svcacct-)?[A-Za-z0-9_\-]{16,}",
    r"\b(?:gh[opsur]_|github_pat_)[A-Za-z0-9_]{16,}",
    r"\b(?:nvapi|glpat|pplx|xai)-[A-Za-z0-9_\-]{16,}",
    r"\b(?:gsk|hf|r8|lsv2_pt|lsv2_sk|pk_live|sk_live|rk_live|sk_test)_[A-Za-z0-9_]{16,}",
    r"\bAIza[A-Za-z0-9_\-]{30,}",
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,}",
    r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*",
    r"\bBearer\s+(?P<secret>[A-Za-z0-9._~+/\-]{4,}=*)",
    # In prose the two words are followed by words.
    r"\b(?i:bearer|basic)\s+(?=\S*[A-Z0-9])(?P<secret>[A-Za-z0-9._~+/\-]{6,}=*)",
    r"[a-zA-Z][a-zA-Z0-9+.\-]*://[^\s/:@\"'\\]*:(?P<secret>[^\s/@\"'\\]+)@",
    r"[?&](?i:[a-z0-9_.\-]*(?:key|token|sig|signature|secret|password|passwd|pwd|auth|credential|code_verifier))"
    r"=(?P<secret>[^\s&\"'\\#<>]+)",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?P<secret>[\s\S]*?)(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
)

# Cheap questions about a text: no secret of the default patterns passes all of them unseen.
_DASH = re.compile(
    rb"-(?:(?<=[^A-Za-z0-9]sk-)|(?<=nvapi-)|(?<=glpat-)|(?<=pplx-)|(?<=xai-)|(?<=xox[abeoprs]-)|(?=----BEGIN ))"
)
_UNDERSCORE = re.compile(
    rb"_(?:(?<=gh[opsur]_)|(?<=_pat_)|(?<=gsk_)|(?<=lsv2_)|(?<=[^A-Za-z0-9]hf_)|(?<=[^A-Za-z0-9][srp][k8]_))"
)


# Each begins with one character that is rare: in a long text a search can jump to it.
_STARTS = (rb"J(?<=eyJ)", rb"z(?<=AIz)a", rb"I(?<=A[KS]I)A", rb"b(?=earer\s|asic\s)", rb"B(?=(?i:earer\s|asic\s))")
_EACH = tuple(re.compile(pattern).search for pattern in _STARTS)
_ANY = re.compile(b"|".join((b"[@=']", *_STARTS))).search  # in a short one a single search is quicker
_SHORT = 1_000

# `password=...` and `'api_key': '...'` in what is text, not JSON.
_ASSIGNED = re.compile(
    rb"=(?:(?<=wd=)|(?<=or[dD]=)|(?<=OR[dD]=)|(?i:(?<=ret=)|(?<=ken=)|(?<=key=)|(?<=uth=)|(?<=ial=)|(?<=kie=)))"
).search
_QUOTED = re.compile(
    rb"'(?=\s?:\s?['\"\\])(?i:(?<=wd')|(?<=ord')|(?<=ret')|(?<=ken')|(?<=key')|(?<=uth')|(?<=ion')|(?<=ial')|(?<=kie'))"
).search


def may_hold_secret(text: bytes) -> bool:
    """Whether a default pattern could match anywhere in ``text``. Quick, and never wrong when it says no."""
    # A text may begin with what the two questions want to see something in front of.
    if text[:1] in (b"s", b"h", b"r", b"p"):
        text = b" " + text
    if len(text) < _SHORT and _ANY(text) is None:
        return _DASH.search(text) is not None or _UNDERSCORE.search(text) is not None
    return (
        (b"@" in text and b"://" in text)
        or (b"=" in text and (b"?" in text or b"&" in text or _ASSIGNED(text) is not None))
        or (b"-" in text and _DASH.search(text) is not None)
        or (b"_" in text and _UNDERSCORE.search(text) is not None)
        or (b"'" in text and _QUOTED(text) is not None)
        or any(search(text) is not None for search in _EACH)
    )
