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
).search
_UNDERSCORE = re.compile(
    rb"_(?:(?<=gh[opsur]_)|(?<=_pat_)|(?<=gsk_)|(?<=lsv2_)|(?<=[^A-Za-z0-9]hf_)|(?<=[^A-Za-z0-9][srp][k8]_))"
).search
_BEARER = re.compile(rb"B(?=(?i:earer\s|asic\s))").search
_LOWER = re.compile(rb"b(?=earer\s|asic\s)").search

# `password=...` and `'api_key': '...'` in what is text, not JSON.
_ASSIGNED = re.compile(
    rb"=(?:(?<=wd=)|(?<=or[dD]=)|(?<=OR[dD]=)|(?i:(?<=ret=)|(?<=ken=)|(?<=key=)|(?<=uth=)|(?<=ial=)|(?<=kie=)))"
).search
_QUOTED = re.compile(
    rb"'(?=\s?:\s?['\"\\])(?i:(?<=wd')|(?<=ord')|(?<=ret')|(?<=ken')|(?<=key')|(?<=uth')|(?<=ion')|(?<=ial')|(?<=kie'))"
).search


def may_hold_secret(text: bytes) -> bool:
    """Whether a default pattern could match anywhere in ``text``. Quick, and never wrong when it says no.

    A search for a plain text costs a tenth of one for a pattern, so a pattern has its say where its rarest part stands.
    """
    # A text may begin with what the two questions want to see something in front of.
    if text[:1] in (b"s", b"h", b"r", b"p"):
        text = b" " + text
    decoded = text.decode("latin-1")  # ``in`` asks bytes by way of an exception, and takes ten times as long
    return (
        ("@" in decoded and "://" in decoded)
        or ("=" in decoded and ("?" in decoded or "&" in decoded or _ASSIGNED(text) is not None))
        or ("-" in decoded and _DASH(text) is not None)
        or ("_" in decoded and _UNDERSCORE(text) is not None)
        or ("'" in decoded and _QUOTED(text) is not None)
        or ("J" in decoded and "eyJ" in decoded)
        or ("I" in decoded and ("AIza" in decoded or "AKIA" in decoded or "ASIA" in decoded))
        or ("B" in decoded and _BEARER(text) is not None)
        or (("earer" in decoded or "asic" in decoded) and _LOWER(text) is not None)
    )
