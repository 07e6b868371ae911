# SPDX-License-Identifier: Apache-2.0
"""Addresses of machines: IPv4, IPv6, hardware; and UUIDs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from nemo_relay_pii.detectors.base import Detector, Span, ends, last, spans, within

_IPV4 = re.compile(r"\d(?<![\w.-].)\d{0,2}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w-]|\.\d)")
_VERSION = re.compile(r"(?:\bv|version|release|build)[\s:=]*\Z", re.IGNORECASE)


def _ipv4s(text: str, context: str) -> Iterator[Span]:
    for found in _IPV4.finditer(text):
        start, end = found.span()
        if _is_ipv4(found[0]) and not _VERSION.search(text[max(0, start - 12) : start]):
            yield start, end


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def _mask_ipv4(match: str, char: str) -> str:
    return ".".join([char * 3] * 3 + [match.rpartition(".")[2]])


_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]{2,39}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3}|(?<=[0-9A-Fa-f])(?:\.\d{1,3}){3})?(?:%\w{1,16})?(?![\w:]|\.\d)"
)


def _ipv6s(text: str, context: str) -> Iterator[Span]:
    for found in _IPV6.finditer(text):
        start, end = found.span()
        candidate = found[0].partition("%")[0]
        if candidate.endswith(":") and not candidate.endswith("::"):  # "fe80::1:" introduces something
            candidate, end = candidate[:-1], end - 1
        if candidate != "::" and _is_ipv6(candidate):
            yield start, end


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def _mask_ipv6(match: str, char: str) -> str:
    groups = match.partition("%")[0].split(":")
    shown = [char * 4 if group else "" for group in groups[:-1]]
    end = groups[-1]
    return ":".join([*shown, _mask_ipv4(end, char) if "." in end else end])


_MAC = re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w]|[:-][0-9A-Fa-f])")
_UUID = re.compile(r"\b[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[1-8][0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}\b")

IP_ADDRESS = Detector("ip_address", _ipv4s, _mask_ipv4, within(r"\d\.\d{1,3}\.\d"))
IPV6 = Detector("ipv6", _ipv6s, _mask_ipv6, within(r":[0-9A-Fa-f:]"))
MAC_ADDRESS = Detector("mac_address", spans(_MAC), last(4), within(r"[0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]"))
UUID = Detector("uuid", spans(_UUID), ends(0, 4), within(r"-[1-8][0-9A-Fa-f]{3}-"))
