# SPDX-License-Identifier: Apache-2.0
"""How people and pages are reached: mail addresses, telephone numbers, URLs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nemo_relay_pii.detectors.base import Detector, Span, last, within
from nemo_relay_pii.detectors.digits import luhn

_LOCAL = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&'*+/=?^_`{|}~-"
_ANY_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}\Z")
_QUOTED = re.compile(r'"[^"\\\r\n]{1,62}"\Z')
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![\w])"
    r"|(?:\w(?:[\w-]{0,61}\w)?\.){1,8}[^\W\d_](?:[\w-]{0,22}[^\W\d_])(?!\w)|\[[0-9A-Fa-f:.]{3,45}\]"
)
_WRAPPING = ".'`{|*=/"  # allowed in an address by the letter of the standard, and hardly ever meant in front of one


def _mails(text: str, context: str) -> Iterator[Span]:
    # From one @ to the next: a search for the local part would look at every character of the text.
    at, done = text.find("@"), 0
    while at >= 0:
        start = _local(text, max(done, at - 64), at)
        domain = _DOMAIN.match(text, at + 1) if start < at else None
        if domain is not None:
            done = domain.end()
            yield start, done
        at = text.find("@", at + 1)


def _local(text: str, least: int, at: int) -> int:
    """Where the local part in front of the @ begins; ``at`` where there is none."""
    before = text[least:at]
    start = at - len(before) + len(before.rstrip(_LOCAL))
    if start > least and (text[start - 1] == '"' or text[start - 1].isalnum()):  # quoted, or letters of other scripts
        found = _QUOTED.search(text, least, at) or _ANY_LOCAL.search(text, least, at)
        start = at if found is None else found.start()
    while start < at and text[start] in _WRAPPING:
        start += 1
    return start


def _mask_mail(match: str, char: str) -> str:
    local, _, domain = match.rpartition("@")
    if local[0] == '"':
        return f'"{char * (len(local) - 2)}"@{domain}'
    shown = local[0] if len(local) > 1 else ""  # a single character is all of it
    return f"{shown}{char * (len(local) - len(shown))}@{domain}"


_NUMBER = re.compile(
    r"[+(\d](?<![\w@/.,+-].)(?<!\d:.)[\d ().\-/\u00a0\u2011]{5,26}\d(?=\s?(?:x|ext\.?)\s?\d|(?![\w@:]))", re.IGNORECASE
)
_EXTENSION = re.compile(r"(?:x|ext\.?)\d{1,6}(?!\w)", re.IGNORECASE)  # written in one with the number
# Three, three and four: how numbers are written in North America.
_NORTH_AMERICAN = re.compile(r"(?:\+?(?:001|1)[-. ]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-. ])\d{3}[-. ]\d{4}")
_DATE = re.compile(
    r"(?:19|20)\d{2}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])(?!\d)|(?:[0-2]?\d|3[01])[-/.][0-3]?\d[-/.](?:\d{4}|\d{2})(?!\d)"
)
_DOTTED = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|\d+\.\d+")
_SPEAKS_OF_PHONES = re.compile(
    r"phone|\btel\b|\btel:|telephone|\bcall|mobile|\bcell|\bfax|whatsapp|\bsms\b|\bdial|\breach|contact"
    r"|\btext (?:me|him|her|us)"
    r"|telefon|handy|\bmobil|t[ée]l[ée]fono|\bmóvil|電話|ring (?:me|us)|hotline",
    re.IGNORECASE,
)
_NOT_A_PHONE = re.compile(
    r"(?:order|invoice|ticket|account|acct|id|isbn|ssn|card|ref(?:erence)?|serial|version|build|no|#)[\s.:#]*\Z",
    re.IGNORECASE,
)
_NOT_A_PHONE_KEY = re.compile(
    r"(?:^|_|\b)(?:id|ids|no|nr|code|zip|postal|time|timestamp|date|at|created|updated|count|size|total|amount|price|sum"
    r"|version|index|offset|port|seed|hash|sku|isbn|order|invoice|account|ticket)(?:$|_|\b)|Id$",
    re.IGNORECASE,
)
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "IN", "JP", "CN", "BR", "AU", "NL", "CA", "MX", "KR", "PL", "SE", "CH")


def _phones(text: str, context: str) -> Iterator[Span]:
    for found in _NUMBER.finditer(text):
        start, end = found.span()
        candidate = found[0]
        closing = candidate.count(")") - candidate.count("(")
        if closing < 0 and candidate[0] == "(":  # "(call 415 555 0132" opens a bracket of the sentence
            start, candidate = start + 1, candidate[1:]
        before = text[max(0, start - 48) : start]
        if _is_phone(candidate, before, context, end - start == len(text)):
            extension = _EXTENSION.match(text, end)
            yield start, end if extension is None else extension.end()


def _is_phone(candidate: str, before: str, context: str, alone: bool) -> bool:
    digits = sum(map(str.isdigit, candidate))
    if (
        not 7 <= digits <= 17
        or _DATE.match(candidate)
        or _DOTTED.fullmatch(candidate)
        or re.search(r"  | [-/] ", candidate)
    ):
        return False
    if _NORTH_AMERICAN.fullmatch(candidate):
        return True
    if digits >= 13 and candidate[0] != "+" and luhn(candidate):
        return False  # a card
    if candidate[0] == "+" or candidate.startswith("00"):
        return _is_number("+" + candidate.lstrip("+0"), None, certain=False)
    if _NOT_A_PHONE.search(before):
        return False
    if _SPEAKS_OF_PHONES.search(before) or _SPEAKS_OF_PHONES.search(context):
        return any(_is_number(candidate, region, certain=False) for region in _REGIONS)
    if candidate.lstrip("(")[0] == "0" and digits < len(candidate):  # a trunk prefix, and written in groups
        return any(_is_number(candidate, region, certain=True) for region in _REGIONS)
    return alone and 8 <= digits <= 15 and not _NOT_A_PHONE_KEY.search(context)


def _is_number(candidate: str, region: str | None, *, certain: bool) -> bool:
    import phonenumbers

    try:
        number = phonenumbers.parse(candidate, region)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_valid_number(number) if certain else phonenumbers.is_possible_number(number))


_URL = re.compile(r"\bhttps?://[^\s<>\"`\\^{}|]{1,4096}", re.IGNORECASE)
_URL_PARTS = re.compile(r"(https?://)(?:[^/?#@]*@)?([^/?#]*)(/)?", re.IGNORECASE)


def _urls(text: str, context: str) -> Iterator[Span]:
    for found in _URL.finditer(text):
        start, end = found.span()
        while end > start and _is_outside(text, start, end):
            end -= 1
        yield start, end


def _is_outside(text: str, start: int, end: int) -> bool:
    """Whether the last character is the sentence's own: its punctuation, or the bracket around the whole."""
    tail = text[end - 1]
    opening = {")": "(", "]": "["}.get(tail)
    return tail in ".,;:!?'*" or (
        opening is not None and text.count(tail, start, end) > text.count(opening, start, end)
    )


def _mask_url(match: str, char: str) -> str:
    parts = _URL_PARTS.match(match)
    if parts is None:
        return char * len(match)
    scheme, host, path = parts.groups()
    return f"{scheme}{host}" + ("/*" if path else "")


EMAIL = Detector("email", _mails, _mask_mail, within("@"))
PHONE = Detector("phone", _phones, last(4), within(r"\d[\d ().\-/\u00a0\u2011]{5}"))
URL = Detector("url", _urls, _mask_url, within("://"))
