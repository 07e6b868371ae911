# SPDX-License-Identifier: Apache-2.0
"""How much of a labelled corpus each detector finds, and how much else: ours beside the published plugin and presidio.

    python benchmarks/pii_quality.py [--published PYTHON] [--presidio PYTHON] [--sentences 2000] [--seed 7]

The corpus is made of templates and Faker's values in eight locales, with decoys (dates, versions, prices, hashes, order
numbers, code). ``--published`` and ``--presidio`` name the interpreters of venvs that have those packages; presidio
takes part with the recognisers that need no model.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

LOCALES = ["en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pt_BR"]
TEMPLATES = [
    "Please write to {email} about order {decoy}.",
    "{name} ({email}) said on {decoy}: call me at {phone}.",
    "You can reach {name} under {phone} or {email}",
    '\1"user": "{name}", "mail": "{email}", "n": {decoy_n}\2',  # braces of JSON
    "Tel. {phone}, fax {phone}",
    "My card is {credit_card}, expires {decoy}",
    "paid {decoy} with {credit_card} from {ip_address}",
    "Transfer to {iban} until {decoy}.",
    "IBAN: {iban}",
    "ssn {us_ssn} of {name}",
    "connection from {ip_address}:{decoy_n} refused at {decoy}",
    "peer [{ipv6}]:443 and {ipv6} are up",
    "see {url} (ticket {decoy})",
    "<a href='{url}'>{name}</a>",
    "job {uuid} took {decoy} ms",
    "export KEY={api_key} # {decoy}",
    "Authorization key {api_key} leaked in {decoy}",
    "mac {mac_address} got {ip_address} at {decoy}",
    "{decoy} and {decoy}, then {decoy}; nothing to see in {decoy}",
    "The {decoy} release of {decoy} by {name}.",
]
ENTITIES = "email phone credit_card iban us_ssn ip_address ipv6 url uuid api_key mac_address".split()
PRESIDIO = {
    "email": "EMAIL_ADDRESS",
    "phone": "PHONE_NUMBER",
    "credit_card": "CREDIT_CARD",
    "iban": "IBAN_CODE",
    "us_ssn": "US_SSN",
    "ip_address": "IP_ADDRESS",
    "ipv6": "IP_ADDRESS",
    "url": "URL",
}
CARDS = ["visa16", "mastercard", "amex", "discover", "diners", "jcb16"]
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def corpus(sentences: int, seed: int) -> list[dict[str, Any]]:
    """Texts with the spans of what was put into them."""
    from faker import Faker

    fakers = [Faker(locale) for locale in LOCALES]
    for faker in fakers:
        faker.seed_instance(seed)
    chance = random.Random(seed)
    return [_sentence(chance.choice(TEMPLATES), chance.choice(fakers), fakers[0], chance) for _ in range(sentences)]


def _sentence(template: str, faker: Any, american: Any, chance: random.Random) -> dict[str, Any]:
    text, spans = "", []
    for part in template.split("{"):
        name, closed, rest = part.partition("}")
        if closed:
            value = _value(name, faker, american, chance)
            if name in ENTITIES:
                spans.append([len(text), len(text) + len(value), name])
            text += value
            text += rest
        else:
            text += part
    return {"text": text.replace("\1", "{").replace("\2", "}"), "spans": spans}


def _value(name: str, faker: Any, american: Any, chance: random.Random) -> str:
    makers: dict[str, Any] = {
        "email": faker.ascii_email,
        "name": faker.name,
        "phone": lambda: chance.choice([american, faker]).phone_number(),
        "credit_card": lambda: _grouped(faker.credit_card_number(chance.choice(CARDS)), chance),
        "iban": lambda: faker.iban() if hasattr(faker, "iban") else american.iban(),
        "us_ssn": american.ssn,
        "ip_address": faker.ipv4,
        "ipv6": faker.ipv6,
        "url": faker.uri,
        "uuid": faker.uuid4,
        "mac_address": faker.mac_address,
        "api_key": lambda: (
            chance.choice(["sk-", "sk-proj-", "ghp_", "nvapi-", "hf_", "xoxb-", "AIza"])
            + "".join(chance.choices(_LETTERS, k=36))
        ),
        "decoy_n": lambda: str(chance.randint(1, 99_999)),
        "decoy": lambda: _decoy(faker, chance),
    }
    return str(makers[name]())


def _grouped(number: str, chance: random.Random) -> str:
    between = chance.choice(["", " ", "-"])
    return between.join(number[i : i + 4] for i in range(0, len(number), 4))


def _decoy(faker: Any, chance: random.Random) -> str:
    makers: list[Any] = [
        lambda: faker.date(),
        lambda: faker.date_time().strftime("%d/%m/%Y %H:%M"),
        lambda: faker.iso8601(),
        lambda: "v" + ".".join(str(chance.randint(0, 30)) for _ in range(4)),
        lambda: f"{chance.randint(1, 9999)}.{chance.randint(0, 99):02}",
        lambda: faker.sha1(),
        lambda: faker.md5(),
        lambda: f"{chance.randint(10**9, 10**10 - 1)}",
        lambda: "std::vector<int>",
        lambda: faker.isbn13(),
        lambda: f"{chance.randint(300, 999)}.{chance.randint(300, 999)}.{chance.randint(300, 999)}.1",
        lambda: f"4111 1111 1111 {chance.choice([1112, 1113, 1114])}",
        lambda: faker.time(),
        lambda: f"@{faker.user_name()}",
    ]
    return str(chance.choice(makers)())


def ours(texts: list[str]) -> list[list[list[Any]]]:
    from nemo_relay_pii import DETECTORS

    found = []
    for text in texts:
        hits = [(name, DETECTORS[name]) for name in ENTITIES if DETECTORS[name].hint(text)]
        found.append([[start, end, name] for name, one in hits for start, end in one.find(text, "")])
    return found


CHILD = """
import asyncio, json, sys
given = json.load(sys.stdin)
texts, entities = given["texts"], given["entities"]
found = [[] for _ in texts]
if given["engine"] == "presidio":
    from presidio_analyzer import RecognizerRegistry
    from presidio_analyzer.predefined_recognizers import SpacyRecognizer
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    ours = {theirs: one for one, theirs in given["names"].items()}
    for recognizer in registry.recognizers:
        if isinstance(recognizer, SpacyRecognizer):
            continue
        for index, text in enumerate(texts):
            for hit in recognizer.analyze(text, recognizer.supported_entities, None) or ():
                name = ours.get(hit.entity_type)
                if name in ("ip_address", "ipv6"):
                    name = "ipv6" if ":" in text[hit.start : hit.end] else "ip_address"
                if name and hit.score >= 0.4:
                    found[index].append([hit.start, hit.end, name])
else:
    from nemo_relay import plugin, scope, subscribers
    async def run(name):
        shown = []
        subscribers.register("q", lambda event: shown.append(event.data["t"]))
        config = {"builtin": {"action": "redact", "detector": name, "replacement": "\\x00"}}
        component = {"kind": "pii_redaction", "enabled": True, "config": config}
        active = await plugin.initialize({"version": 1, "components": [component]})
        for text in texts:
            scope.event("m", data={"t": text})
        await asyncio.to_thread(subscribers.flush)
        await active.close()
        subscribers.deregister("q")
        for index, (text, after) in enumerate(zip(texts, shown)):
            at, parts = 0, after.split("\\x00")
            for before, behind in zip(parts, parts[1:]):
                start = at + len(before)
                at = text.find(behind, start + 1) if behind else len(text)
                found[index].append([start, at, name])
    for name in entities:
        try:
            asyncio.run(run(name))
        except Exception as error:
            print(name, error, file=sys.stderr)
json.dump(found, sys.stdout)
"""


def elsewhere(python: str, engine: str, texts: list[str]) -> list[list[list[Any]]]:
    known = [name for name in ENTITIES if name not in ("iban", "us_ssn", "mac_address")]
    given = {"texts": texts, "engine": engine, "entities": known, "names": PRESIDIO}
    command = [python, "-W", "ignore", "-c", CHILD]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    made: list[list[list[Any]]] = json.loads(done.stdout)
    return made


def score(labelled: list[dict[str, Any]], found: list[list[list[Any]]]) -> dict[str, tuple[int, int, int]]:
    """By entity: labelled and found, labelled, found and nothing of the kind."""
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for sentence, hits in zip(labelled, found, strict=True):
        for start, end, name in sentence["spans"]:
            covered = sum(max(0, min(end, stop) - max(start, begin)) for begin, stop, kind in hits if kind == name)
            totals[name][0] += covered >= 0.8 * (end - start)
            totals[name][1] += 1
        for begin, stop, kind in hits:
            right = any(kind == name and begin < end and start < stop for start, end, name in sentence["spans"])
            totals[kind][2] += not right
    return {name: (counts[0], counts[1], counts[2]) for name, counts in totals.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--published", metavar="PYTHON")
    parser.add_argument("--presidio", metavar="PYTHON")
    parser.add_argument("--sentences", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--show", metavar="ENTITY", help="print what ours missed, and what it found too much")
    options = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labelled = corpus(options.sentences, options.seed)
    texts = [one["text"] for one in labelled]
    engines = {"ours": ours(texts)}
    for name in ("published", "presidio"):
        python = getattr(options, name)
        if python:
            engines[name] = elsewhere(str(Path(python)), name, texts)
    scores = {name: score(labelled, found) for name, found in engines.items()}
    print(f"{'entity':14}{'n':>6}" + "".join(f"{name + ' P':>14}{name + ' R':>14}" for name in scores))
    for entity in ENTITIES:
        row = [scored.get(entity, (0, 0, 0)) for scored in scores.values()]
        cells = "".join(f"{_ratio(hit, hit + wrong):>14}{_ratio(hit, count):>14}" for hit, count, wrong in row)
        print(f"{entity:14}{row[0][1]:>6}{cells}")
    if options.show:
        _show(options.show, labelled, engines["ours"])


def _ratio(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


def _show(entity: str, labelled: list[dict[str, Any]], found: list[list[list[Any]]]) -> None:
    for sentence, hits in zip(labelled, found, strict=True):
        text = sentence["text"]
        wanted = {text[start:end] for start, end, name in sentence["spans"] if name == entity}
        got = {text[start:end] for start, end, name in hits if name == entity}
        if wanted != got:
            print("missed", wanted - got, "too much", got - wanted, "in", repr(text), file=sys.stderr)


if __name__ == "__main__":
    main()
