# SPDX-License-Identifier: Apache-2.0
"""The detectors by name. All of their patterns are bounded: the time they take grows with the text and no faster."""

from __future__ import annotations

from nemo_relay_pii.detectors.base import Detector
from nemo_relay_pii.detectors.contact import EMAIL, PHONE, URL
from nemo_relay_pii.detectors.digits import CREDIT_CARD, IBAN, NATIONAL_ID, US_SSN
from nemo_relay_pii.detectors.network import IP_ADDRESS, IPV6, MAC_ADDRESS, UUID
from nemo_relay_pii.detectors.secrets import (
    API_KEY,
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
    AZURE_STORAGE_ACCOUNT_KEY,
    BEARER_TOKEN,
    GCP_API_KEY,
    JWT,
    PRIVATE_KEY,
)

__all__ = ["DETECTORS", "GROUPS", "Detector", "named"]

# What belongs together, most telling first: where two find the same text, the earlier names it.
GROUPS: dict[str, tuple[Detector, ...]] = {
    "structured secrets": (PRIVATE_KEY, JWT, BEARER_TOKEN),
    "cloud credentials": (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, GCP_API_KEY, AZURE_STORAGE_ACCOUNT_KEY),
    "keys and ids": (API_KEY, UUID),
    "numbers with a check": (CREDIT_CARD, IBAN, US_SSN, NATIONAL_ID),
    "common PII": (EMAIL, URL, IPV6, MAC_ADDRESS, IP_ADDRESS, PHONE),
}
DETECTORS: dict[str, Detector] = {one.name: one for group in GROUPS.values() for one in group}


def named(names: list[str]) -> tuple[Detector, ...]:
    """The detectors of those names; ``all`` stands for every one.

    Raises:
        KeyError: nobody has the name.
    """
    wanted = list(DETECTORS) if "all" in names else names
    return tuple(DETECTORS[name] for name in dict.fromkeys(wanted))
