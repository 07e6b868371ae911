# SPDX-License-Identifier: Apache-2.0
"""Keys and tokens: of model providers, of clouds, of sessions."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Iterator
from math import log2

from nemo_relay_pii.detectors.base import Detector, Mask, Span, ends, spans, within

_END = r"(?![A-Za-z0-9_-])"
_KEYS = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?:sk|rk|pk|ak)-[A-Za-z0-9_-]{8,512}"
    r"|(?:sk|rk|pk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,256}"
    r"|(?:gh[opsur]_|github_pat_)[A-Za-z0-9_]{16,256}"
    r"|(?:nvapi|glpat|glrt|pplx|xai|tvly|ntn|fw|dapi|lsv2_pt|lsv2_sk)[-_][A-Za-z0-9_-]{16,256}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,256}|xapp-\d-[A-Za-z0-9-]{10,256}"
    r"|AIza[A-Za-z0-9_-]{30,64}|ya29\.[A-Za-z0-9_-]{20,512}"
    r"|(?:hf|gsk|r8|npm|dckr_pat|lin_api|shpat|shpss|dop_v1|pat|rubygems)_[A-Za-z0-9_]{20,256}"
    r"|pypi-[A-Za-z0-9_-]{40,512}|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,128}"
    r"|ATATT3[A-Za-z0-9_=-]{40,512}|key-[0-9a-f]{32}|sq0(?:atp|csp)-[A-Za-z0-9_-]{20,64}"
    r")" + _END
)
_TELLING = re.compile(r"[0-9A-Z]")  # "sk-learn-contrib" is a word; a key has digits or capitals


def _is_key(candidate: str) -> bool:
    return candidate[2] != "-" or _TELLING.search(candidate, 3) is not None


def _mask_key(match: str, char: str) -> str:
    head = re.match(r"[A-Za-z0-9]*[-_.]?", match)
    kept = head.end() if head is not None and head.end() < len(match) - 4 else 4
    return ends(kept, 4)(match, char)


_BEARER = re.compile(r"(?<![\w])bearer\s{1,8}[A-Za-z0-9._~+/-]{12,4096}={0,2}", re.IGNORECASE)


def _mask_bearer(match: str, char: str) -> str:
    scheme, token = re.split(r"(?<=\s)(?=\S)", match, maxsplit=1)
    value = token.rstrip("=")
    return scheme + ends(0, 4)(value, char) + token[len(value) :]


_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{4,4096}\.[\w-]{2,16384}\.[\w-]{0,4096}", re.ASCII)


def _is_jwt(candidate: str) -> bool:
    header = candidate.partition(".")[0]
    try:
        decoded = urlsafe_b64decode(header + "=" * (-len(header) % 4))
    except ValueError:
        return False
    return decoded.startswith(b'{"') and decoded.endswith(b"}")


def _mask_jwt(match: str, char: str) -> str:
    header, payload, signature = match.split(".")
    return f"{header}.{char * len(payload)}.{ends(0, 6)(signature, char)}"


_AWS_ID = re.compile(r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|APKA|AROA|AUSA)[A-Z0-9]{16}\b")
_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9/+=_-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_-])")
_HEX = re.compile(r"[0-9a-fA-F]+")


def _entropy(text: str) -> float:
    counts = Counter(text).values()
    return -sum(count / len(text) * log2(count / len(text)) for count in counts)


def _is_aws_secret(candidate: str) -> bool:
    """Random base64: capitals, small letters and digits well mixed. A digest in hex, a path or a word is none."""
    kinds = (str.isupper, str.islower, str.isdigit)
    mixed = all(sum(map(kind, candidate)) > 1 for kind in kinds[:2]) and any(map(str.isdigit, candidate))
    return mixed and not _HEX.fullmatch(candidate) and candidate.count("/") < 6 and _entropy(candidate) > 4.1


_GCP = re.compile(r"(?<![\w-])AIza[0-9A-Za-z_-]{30,64}(?![\w-])")
_AZURE = re.compile(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{86}==")
_PEM = re.compile(r"-----BEGIN (?:[A-Z0-9 ]{0,30})PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END (?:[A-Z0-9 ]{0,30})PRIVATE KEY(?: BLOCK)?-----")


def _private_keys(text: str, context: str) -> Iterator[Span]:
    found = _PEM.search(text)
    while found is not None:
        end = _PEM_END.search(text, found.end())
        yield found.start(), len(text) if end is None else end.end()  # one that was cut off is one too
        found = None if end is None else _PEM.search(text, end.end())


def _mask_private_key(match: str, char: str) -> str:
    return f"-----BEGIN PRIVATE KEY-----{char * 8}"


_last4: Mask = ends(0, 4)
API_KEY = Detector("api_key", spans(_KEYS, _is_key), _mask_key, within(r"[-_.A](?:[A-Za-z0-9_-]{8}|Iza)"))
BEARER_TOKEN = Detector("bearer_token", spans(_BEARER), _mask_bearer, within(r"[Bb][Ee][Aa][Rr][Ee][Rr][\s\\]"))
JWT = Detector("jwt", spans(_JWT, _is_jwt), _mask_jwt, within("eyJ"))
AWS_ACCESS_KEY_ID = Detector("aws_access_key_id", spans(_AWS_ID), ends(4, 4), within(r"A[A-Z0-9]{19}"))
AWS_SECRET_ACCESS_KEY = Detector(
    "aws_secret_access_key", spans(_AWS_SECRET, _is_aws_secret), _last4, within(r"[A-Za-z0-9/+]{40}")
)
GCP_API_KEY = Detector("gcp_api_key", spans(_GCP), ends(6, 4), within("AIza"))
AZURE_STORAGE_ACCOUNT_KEY = Detector("azure_storage_account_key", spans(_AZURE), _last4, within("=="))
PRIVATE_KEY = Detector("private_key", _private_keys, _mask_private_key, within("-----BEGIN "))
