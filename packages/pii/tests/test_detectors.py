# SPDX-License-Identifier: Apache-2.0
"""What each detector finds: the published vectors (A1) where they are right, and where ours differ the reason why."""

from __future__ import annotations

import pytest

from nemo_relay_pii import DETECTORS, redacted

X = "[REDACTED]"
AZURE = "A" * 86 + "=="
# detector, text, redacted, masked
PUBLISHED = [
    ("email", "jane.doe+x@example.co.uk, bob@x.org", f"{X}, {X}", "j*********@example.co.uk, b**@x.org"),
    ("email", "a@b", "a@b", "a@b"),
    ("email", "A_B%9@sub.dom-x.io!", f"{X}!", "A****@sub.dom-x.io!"),
    ("phone", "+1 (415) 555-0132", X, "+* (***) ***-0132"),
    ("phone", "415-555-0132", X, "***-***-0132"),
    ("phone", "1234567", "1234567", "1234567"),
    ("phone", "12345678", X, "****5678"),
    ("phone", "tel:+442079460958 x9", f"tel:{X} x9", "tel:+********0958 x9"),
    ("api_key", "sk-abcdefgh12345678", X, "sk-************5678"),
    ("api_key", "xsk-abcdefgh1234", "xsk-abcdefgh1234", "xsk-abcdefgh1234"),
    ("api_key", "key=pk-live_ABCDEFGH", f"key={X}", "key=pk-*********EFGH"),
    ("api_key", "sk-short", "sk-short", "sk-short"),
    ("api_key", "sk-proj-AAAA-BBBB_cccc", X, "sk-***************cccc"),
    ("ip_address", "10.0.0.1", X, "***.***.***.1"),
    ("ip_address", "host 192.168.10.254:80", f"host {X}:80", "host ***.***.***.254:80"),
    ("ipv6", "2001:0db8:85a3:0000:0000:8a2e:0370:7334", X, "****:****:****:****:****:****:****:7334"),
    ("ipv6", "::1", X, "::1"),
    ("url", "see https://user:pw@h.com/p?q=1", f"see {X}", "see https://h.com/*"),
    ("url", "http://h.com", X, "http://h.com"),
    ("url", "https://h.com/", X, "https://h.com/*"),
    ("url", "ftp://h/x", "ftp://h/x", "ftp://h/x"),
    ("uuid", "550e8400-e29b-41d4-a716-446655440000", X, "*" * 32 + "0000"),
    ("uuid", "550E8400-E29B-11D4-A716-446655440000", X, "*" * 32 + "0000"),
    ("uuid", "550e8400-e29b-01d4-a716-446655440000", "550e8400-e29b-01d4-a716-446655440000", None),
    ("bearer_token", "Bearer abcdefghijklmnop", X, "Bearer ************mnop"),
    ("bearer_token", "Bearer short", "Bearer short", "Bearer short"),
    ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF123456", X, f"eyJhbGciOiJIUzI1NiJ9.{'*' * 15}.******123456"),
    ("credit_card", "4111 1111 1111 1111", X, "**** **** **** 1111"),
    ("credit_card", "378282246310005", X, "***********0005"),
    ("credit_card", "123456789012", "123456789012", "123456789012"),
    ("aws_access_key_id", "AKIAIOSFODNN7EXAMPLE", X, "AKIA************MPLE"),
    ("aws_access_key_id", "akiaiosfodnn7example", "akiaiosfodnn7example", None),
    ("aws_secret_access_key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", X, "*" * 36 + "EKEY"),
    ("gcp_api_key", "AIzaSyA1234567890abcdefghijklmnopqrstuv", X, "AIzaSy*****************************stuv"),
    ("azure_storage_account_key", AZURE, X, "*" * 84 + "AA=="),
]
# The same, where the published detector is wrong, with the reason.
BETTER = [
    ("email", "Contact a@b.co", f"Contact {X}", "Contact *@b.co", "a masked address of one letter is not masked"),
    ("email", "üser@example.com", X, "ü***@example.com", "addresses may have any letters"),
    ("email", '"q q"@x.com', X, '"***"@x.com', "the local part may be quoted"),
    ("phone", "415.555.0132", X, "***.***.0132", "dots separate too"),
    ("phone", "2026-01-02 10:00", "2026-01-02 10:00", None, "a date"),
    (
        "phone",
        "card 4111 1111 1111 1111",
        "card 4111 1111 1111 1111",
        None,
        "a card, and the detector of cards finds it",
    ),
    ("api_key", "ghp_abcdefghijklmnop", X, "ghp_************mnop", "a key of GitHub"),
    ("api_key", "nvapi-abcdefghijklmnopqrst", X, "nvapi-****************qrst", "a key of NVIDIA"),
    ("api_key", "AIzaSyA1234567890abcdefghijklmnopqrstuvwxyz", X, "AIza" + "*" * 35 + "wxyz", "not of 39 characters"),
    ("api_key", "a sk-learn-contrib plug-in", "a sk-learn-contrib plug-in", None, "words"),
    ("ip_address", "999.999.999.999", "999.999.999.999", None, "no address"),
    ("ip_address", "v1.2.3.4.5", "v1.2.3.4.5", None, "a version"),
    ("ipv6", "fe80::1", X, "****::1", "no group is left over"),
    ("ipv6", "std::vector", "std::vector", None, "C++"),
    ("ipv6", "::ffff:10.0.0.1", X, "::****:***.***.***.1", "the IPv4 address in it is one too"),
    ("ipv6", "2001:db8::ff00:42:8329", X, "****:****::****:****:8329", "no group is left over"),
    ("url", "(https://a.b/c).", f"({X}).", "(https://a.b/*).", "the bracket is the sentence's"),
    (
        "bearer_token",
        "authorization: bearer ABCDEF123456==",
        f"authorization: {X}",
        "authorization: bearer ********3456==",
        "==",
    ),
    ("jwt", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", X, f"eyJhbGciOiJub25lIn0.{'*' * 15}.", "without a signature"),
    ("credit_card", "4111-1111-1111-1112", "4111-1111-1111-1112", None, "fails Luhn's check"),
    (
        "aws_secret_access_key",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        None,
        "SHA-1",
    ),
    ("iban", "to DE89 3704 0044 0532 0130 00 please", f"to {X} please", "to **** **** **** **** **30 00 please", "new"),
    ("iban", "DE89 3704 0044 0532 0130 01", "DE89 3704 0044 0532 0130 01", None, "fails its check"),
    ("us_ssn", "ssn 536-90-4399", f"ssn {X}", "ssn ***-**-4399", "new"),
    ("us_ssn", "000-12-3456 and 666-12-3456", "000-12-3456 and 666-12-3456", None, "never given out"),
    ("national_id", "CPF 390.533.447-05", f"CPF {X}", "CPF ***.***.*47-05", "new"),
    ("mac_address", "00:1A:2b:3c:4D:5e", X, "**:**:**:**:4D:5e", "new"),
    (
        "private_key",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
        X,
        "-----BEGIN PRIVATE KEY-----********",
        "one that was cut off",
    ),
]


@pytest.mark.parametrize(
    ("detector", "text", "shown", "masked"),
    [*PUBLISHED, *((name, text, shown, masked) for name, text, shown, masked, _ in BETTER)],
)
def test_vectors(detector: str, text: str, shown: str, masked: str | None) -> None:
    assert redacted(text, [detector]) == shown
    assert redacted(text, [detector], action="mask") == (text if masked is None else masked)


PHONES = [
    *("+49 30 901820", "(415)555-0132", "001-415-555-0132", "+1-415-555-0132", "020 7946 0958", "+33 1 23 45 67 89"),
    *("call 4155550132", "Tel. 030 1234567", "reach me at 4155552671"),
]
NO_PHONES = [
    *("2024-01-02T10:30:00Z", "12/31/2024 10:20", "3.14159265", "192.168.1.1", "order 4155550132", "10:30:00"),
    *("1.234.567,89", "invoice no. 2024-00017", "0.12.345", "a 1234567 b", "1000000 - 2000000"),
]


@pytest.mark.parametrize("text", PHONES)
def test_phones(text: str) -> None:
    assert X in redacted(text, ["phone"])


@pytest.mark.parametrize("text", NO_PHONES)
def test_numbers_that_are_no_phones(text: str) -> None:
    assert redacted(text, ["phone"]) == text


def test_the_name_of_a_key_tells_what_a_number_is() -> None:
    row = {"phone": "4155550132", "order_id": "4155550132", "created_at": "1700000000", "note": "4155550132 apples"}
    assert redacted(row, ["phone"]) == {**row, "phone": X}


def test_where_two_find_the_same_text_the_longer_names_it() -> None:
    text = "see https://jane@example.com/a?ip=10.0.0.1 or ::ffff:10.0.0.1"
    found = redacted(text, ["email", "ip_address", "url", "ipv6"], replacement="<{name}>")
    assert found == "see <url> or <ipv6>"


@pytest.mark.parametrize(
    "char", ["a", "@", "1 ", "1-", "eyJ", ":", "Bearer ", "http://)", "sk-", "A1B2 ", "-----BEGIN ", '"']
)
def test_the_time_grows_with_the_text_and_no_faster(char: str) -> None:
    text = char * (1_000_000 // len(char))  # quadratic, it would run into the time limit of a test
    assert len(redacted(text, ["all"])) > 0


def test_every_detector_leaves_ordinary_text_alone() -> None:
    text = (
        "On 2026-01-02 at 10:15:30 UTC version 1.2.3 of std::vector took 1,234.56 ms (3.7e-05 s) in"
        " /usr/lib/python3/x.py:12; commit 8ff696b,"
        " sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709, ratio 16:9, foo::bar, a-b-c, 100%, @user, #42."
    )
    assert redacted(text, ["all"]) == text
    assert sorted(DETECTORS) == sorted(set(DETECTORS))
