# SPDX-License-Identifier: Apache-2.0
"""Numbers that carry a check: cards, bank accounts, numbers of citizens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module

from nemo_relay_pii.detectors.base import Detector, Span, last, spans, within

# Each pattern begins with the one character that most texts have few of, and looks behind it: that is what makes a
# search through a text quick.
_CARD = re.compile(r"\d(?<![\w.+-].)(?:[ -]?\d){12,18}(?![\w]|-\d|\.\d)")
# What issuers' numbers begin with: Visa, Mastercard, American Express, Discover, JCB, Diners, UnionPay, Maestro.
_ISSUER = re.compile(r"4|5[0-8]|2[2-7]|3[04-9]|6|1800|2131|9792")
_DOUBLED = str.maketrans("0123456789", "0246813579")


def luhn(text: str) -> bool:
    """Whether the digits of ``text`` pass Luhn's check."""
    digits = [one for one in text if one.isdigit()][::-1]
    total = sum(map(int, digits[::2])) + sum(int(one.translate(_DOUBLED)) for one in digits[1::2])
    return total % 10 == 0


def _is_card(candidate: str) -> bool:
    digits = candidate.replace(" ", "").replace("-", "")
    return _ISSUER.match(digits) is not None and len(set(digits)) > 1 and luhn(digits)


_IBAN = re.compile(
    r"\d(?<=[A-Z]{2}\d)(?<!\w[A-Z]{2}\d)\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![\w])", re.IGNORECASE
)


def _ibans(text: str, context: str) -> Iterator[Span]:
    from stdnum import iban

    for found in _IBAN.finditer(text):
        start, end = found.start() - 2, found.end()
        # A word of the sentence may look like one more group: the longest that passes its check is the number.
        while end - start >= 15:
            if iban.is_valid(text[start:end], check_country=False):
                yield start, end
                break
            end = max(text.rfind(" ", start, end), start)


_SSN = re.compile(r"\d(?<![\w.-].)\d\d(?:([- ])\d\d\1\d{4}|\d{6})(?!\w|[.-]\d)")
_SPEAKS_OF_SSN = re.compile(r"ssn|social.?security|\bss ?#", re.IGNORECASE)


def _ssns(text: str, context: str) -> Iterator[Span]:
    from stdnum.us import ssn

    for found in _SSN.finditer(text):
        bare = found[1] is None
        if bare and not _SPEAKS_OF_SSN.search(text[max(0, found.start() - 32) : found.start()] + " " + context):
            continue
        if ssn.is_valid(found[0].replace(" ", "-")):
            yield found.span()


# Numbers of citizens whose check makes an accident unlikely: how they go on after their first character, and who
# checks them.
_CITIZENS = {
    "cpf": (r"\d{2}\.\d{3}\.\d{3}-\d{2}", ("stdnum.br.cpf",)),
    "codicefiscale": (r"[A-Z]{5}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", ("stdnum.it.codicefiscale",)),
    "nif": (r"\d{7}-?[TRWAGMYFPDXBNJZSQVHLCKE]", ("stdnum.es.dni", "stdnum.es.nie")),
    "nir": (r" ?\d{2} ?(?:0[1-9]|1[0-2]) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}", ("stdnum.fr.nir",)),
    "aadhaar": (r"\d{3} \d{4} \d{4}", ("stdnum.in_.aadhaar",)),
    "personnummer": (r"\d{5}[-+]\d{4}", ("stdnum.se.personnummer",)),
    "ahv": (r"56\.\d{4}\.\d{4}\.\d{2}", ("stdnum.ch.ssn",)),
}
_CITIZEN = re.compile(
    rf"[\dA-Z](?<![\w.-].)(?:{'|'.join(f'(?P<{name}>{tail})' for name, (tail, _) in _CITIZENS.items())})(?!\w|[.-]\d)"
)


def _citizens(text: str, context: str) -> Iterator[Span]:
    for found in _CITIZEN.finditer(text):
        _, modules = _CITIZENS[str(found.lastgroup)]
        if any(import_module(module).is_valid(found[0]) for module in modules):
            yield found.span()


CREDIT_CARD = Detector("credit_card", spans(_CARD, _is_card), last(4), within(r"\d[\d -]{11,}\d"))
IBAN = Detector("iban", _ibans, last(4), within(r"\d(?<=[A-Za-z]{2}\d)\d ?[A-Za-z0-9]{4}"))
US_SSN = Detector("us_ssn", _ssns, last(4), within(r"\d[\d -]{7,}\d"))
NATIONAL_ID = Detector("national_id", _citizens, last(4), within(r"[\dA-Z][\dA-Z. +-]{7,}"))
