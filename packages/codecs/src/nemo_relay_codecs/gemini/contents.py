# SPDX-License-Identifier: Apache-2.0
"""Gemini contents: merging edited messages back into content items.

One content item can stand for several tool messages, thoughts and signatures hide between the visible parts, and a
call may have no id: so the merge works on part slots instead of on whole messages.
"""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import Any

import msgspec

from nemo_relay_codecs.alignment import aligned
from nemo_relay_codecs.base import JsonObject, without
from nemo_relay_codecs.errors import InvalidPayload
from nemo_relay_codecs.gemini.blocks import PROVIDER, data_field, effective_id, is_thought
from nemo_relay_codecs.values import parsed, same, text_of

_WIRE_ROLES = {"assistant": "model", "tool": "user", "user": "user"}


def merge(edited: list[JsonObject], baseline: list[JsonObject], contents: list[JsonObject]) -> list[JsonObject]:
    """The wire contents for ``edited``; ``baseline`` are the messages that ``contents`` stand for."""
    parted: list[JsonObject] = []
    halves: dict[int, tuple[JsonObject, JsonObject]] = {}  # second half -> the first, and the item they make
    for content in contents:
        pair = _halves(content)
        parted += pair or (content,)
        if pair is not None:
            halves[id(pair[1])] = (pair[0], content)
    merged = _Merge(edited, baseline, parted).run()
    return _rejoined(merged, halves) if halves else merged


def _halves(content: JsonObject) -> tuple[JsonObject, JsonObject] | None:
    """The results of an item, and what is said beside them; None where there is only one of them."""
    parts = content["parts"]
    results = ["functionResponse" in part or is_thought(part) for part in parts]
    if all(results) or not any("functionResponse" in part for part in parts):
        return None
    first = [part for part, result in zip(parts, results, strict=True) if result]
    second = [part for part, result in zip(parts, results, strict=True) if not result]
    return {**content, "parts": first}, {**content, "parts": second}


def _rejoined(items: list[JsonObject], halves: dict[int, tuple[JsonObject, JsonObject]]) -> list[JsonObject]:
    out: list[JsonObject] = []
    for item in items:
        first, whole = halves.get(id(item), (None, item))
        last = out[-1] if out else {"parts": []}
        if first is None or not any("functionResponse" in part for part in last["parts"]):
            out.append(item)
        else:
            out[-1] = whole if last is first else {**whole, "parts": [*last["parts"], *item["parts"]]}
    return out


def _size(content: JsonObject) -> int:
    """How many messages a content item stands for."""
    parts = content["parts"]
    return 1 if len(parts) == 1 else sum(["functionResponse" in part for part in parts]) or 1


class _Merge:
    def __init__(self, edited: list[JsonObject], baseline: list[JsonObject], contents: list[JsonObject]) -> None:
        self.edited, self.baseline, self.contents = edited, baseline, contents
        self.size = [_size(content) for content in contents]
        self.owner: list[int] = [c for c, size in enumerate(self.size) for _ in range(size)]
        self.pairs = self._aligned()

    @cached_property
    def first(self) -> list[int]:
        """The first message that each content item stands for."""
        return [0, *itertools.accumulate(self.size)]

    @cached_property
    def calls(self) -> list[JsonObject]:
        """Every tool call of the edited messages."""
        return [call for message in self.edited for call in _calls(message)]

    @cached_property
    def names(self) -> dict[str, str]:
        """The functions called, by the ids of the calls."""
        return {call["id"]: call["function"]["name"] for call in self.calls}

    @cached_property
    def uses(self) -> dict[str, int]:
        """How often each call id is used."""
        return _tally([call["id"] for call in self.calls])

    @cached_property
    def sources(self) -> dict[str, list[JsonObject]]:
        """The original parts of each call."""
        return _sources(self.contents)

    def _aligned(self) -> list[int | None]:
        pairs, open_items = aligned(self.edited, self.baseline)
        self.open = dict.fromkeys(open_items)
        if not any(_calls(self.edited[i]) for i in open_items):
            return pairs
        used = {j for j in pairs if j is not None}
        new, old = ([_call_ids(m) for m in messages] for messages in (self.edited, self.baseline))
        new_count, old_count = _tally(new), _tally(old)
        for i, key in enumerate(new):
            if pairs[i] is None and key and new_count[key] == 1 and old_count.get(key) == 1:
                j = old.index(key)
                if j not in used:
                    pairs[i] = j
                    used.add(j)
        return pairs

    def run(self) -> list[JsonObject]:
        if self.pairs == self.owner == list(range(len(self.contents))):  # every item continued in its place
            kept = list(self.contents)
            for i in self.open:
                kept[i] = self._rewritten(i, [self.edited[i]], again=False)
            return kept
        out: list[JsonObject] = []
        emitted: set[int] = set()
        i = 0
        while i < len(self.edited):
            j = self.pairs[i]
            if j is None:
                out.append(self._fresh(self.edited[i]))
                i += 1
                continue
            c = self.owner[j]
            if self.size[c] == 1 and i not in self.open and c not in emitted:
                out.append(self.contents[c])
                emitted.add(c)
                i += 1
                continue
            end = i + 1
            while c not in emitted and end < len(self.edited) and self._owner_of(end) == c:
                end += 1
            out.append(self._continued(c, i, end, again=c in emitted))
            emitted.add(c)
            i = end
        return out

    def _owner_of(self, i: int) -> int | None:
        j = self.pairs[i]
        return None if j is None else self.owner[j]

    def _continued(self, c: int, start: int, end: int, *, again: bool) -> JsonObject:
        run, first = self.edited[start:end], self.first[c]
        whole = self.pairs[start:end] == list(range(first, first + self.size[c]))
        if whole and all(same(message, base) for message, base in zip(run, self.baseline[first:], strict=False)):
            return self.contents[c]
        return self._rewritten(c, run, again=again)

    def _rewritten(self, c: int, run: list[JsonObject], *, again: bool) -> JsonObject:
        original = self.contents[c]
        role = _wire_role(run[0]["role"])
        if run[0]["role"] == "tool":
            parts = self._tool_parts(run, original["parts"], again=again)
        else:
            parts = self._spoken_parts(run[0], original["parts"])
        return {**original, "role": role, "parts": parts}

    def _fresh(self, message: JsonObject) -> JsonObject:
        role = _wire_role(message["role"])
        if message["role"] == "tool":
            return {"role": role, "parts": [self._response_part(message, None)]}
        parts = [*_visible_parts(message), *self._call_parts(message, [])]
        return {"role": role, "parts": parts or [{"text": ""}]}

    # -- tool results ------------------------------------------------------------------------------------------

    def _tool_parts(self, run: list[JsonObject], parts: list[JsonObject], *, again: bool) -> list[JsonObject]:
        sources: dict[str, list[JsonObject]] = {}
        for part in parts:
            if "functionResponse" in part:
                sources.setdefault(effective_id(part["functionResponse"]), []).append(part)
        new = iter([self._response_part(message, sources) for message in run])
        if again:
            return list(new)
        out = []
        for part in parts:
            if "functionResponse" not in part:
                out.append(part)
                continue
            replacement = next(new, None)
            if replacement is not None:
                out.append(replacement)
        return [*out, *new]

    def _response_part(self, message: JsonObject, sources: dict[str, list[JsonObject]] | None) -> JsonObject:
        call_id = message["tool_call_id"]
        if not call_id:
            raise InvalidPayload("Gemini encoder: Message::Tool has an empty tool_call_id")
        found = (sources or {}).get(call_id)
        source = found.pop(0) if found else {}
        response = dict(source.get("functionResponse", {}))
        response["id"] = call_id
        response.setdefault("name", self.names.get(call_id, call_id))
        text, nested = _tool_content(message["content"])
        value = parsed(text)
        response["response"] = value if isinstance(value, dict) else {"output": value}
        if nested is not None:
            response["parts"] = nested
        return {**source, "functionResponse": response}

    # -- user and assistant ------------------------------------------------------------------------------------

    def _spoken_parts(self, message: JsonObject, parts: list[JsonObject]) -> list[JsonObject]:
        words = _visible_parts(message)
        calls = self._call_parts(message, [p for p in parts if "functionCall" in p])
        as_list = isinstance(message.get("content"), list)
        out: list[JsonObject] = []
        slots = taken = 0
        for part in parts:
            if "functionCall" in part:
                out += calls[:1]
                calls = calls[1:]
            elif is_thought(part) or "functionResponse" in part:
                out.append(part)
            elif words:
                slots += 1
                taken += 1
                word, words = words[0], words[1:]
                out.append({**part, "text": word["text"]} if not as_list and "text" in part else word)
            elif not as_list and _survives(part):
                out.append(part)
        out = [*out, *words] if taken else [*words, *out]
        return [*out, *calls] or [{"text": ""}]

    def _call_parts(self, message: JsonObject, own: list[JsonObject]) -> list[JsonObject]:
        unused = list(own)
        return [self._call_part(call, unused) for call in _calls(message)]

    def _call_part(self, call: JsonObject, unused: list[JsonObject]) -> JsonObject:
        name, call_id = call["function"]["name"], call["id"]
        arguments = _arguments(name, call_id, call["function"]["arguments"])
        source = self._source(name, call_id, unused)
        if source is None:
            return {"functionCall": {"id": call_id, "name": name, "args": arguments}}
        anonymous = "id" not in source["functionCall"] and call_id == name
        replaced = {"name": name, "args": arguments} if anonymous else {"id": call_id, "name": name, "args": arguments}
        return {**source, "functionCall": replaced}

    def _source(self, name: str, call_id: str, unused: list[JsonObject]) -> JsonObject | None:
        for i, part in enumerate(unused):
            if part["functionCall"].get("id") == call_id:
                return unused.pop(i)
        for i, part in enumerate(unused):
            if "id" not in part["functionCall"] and part["functionCall"]["name"] == name:
                return unused.pop(i)
        found = self.sources.get(call_id, [])
        return found[0] if len(found) == 1 and self.uses[call_id] == 1 else None


def _calls(message: JsonObject) -> list[JsonObject]:
    return message.get("tool_calls") or [] if message["role"] == "assistant" else []


def _call_ids(message: JsonObject) -> tuple[str, ...]:
    return tuple(sorted([call["id"] for call in _calls(message)]))


def _tally(keys: list[Any]) -> dict[Any, int]:
    out: dict[Any, int] = {}
    for key in keys:
        out[key] = out.get(key, 0) + 1
    return out


def _sources(contents: list[JsonObject]) -> dict[str, list[JsonObject]]:
    out: dict[str, list[JsonObject]] = {}
    for content in contents:
        for part in content["parts"]:
            if "functionCall" in part:
                out.setdefault(effective_id(part["functionCall"]), []).append(part)
    return out


def _wire_role(role: str) -> str:
    if role not in _WIRE_ROLES:
        raise InvalidPayload(
            f"Gemini encoder: role '{role}' has no Gemini equivalent (only 'user' and 'assistant' are supported)"
        )
    return _WIRE_ROLES[role]


def _survives(part: JsonObject) -> bool:
    """Whether a part that no new text replaces stays: a signature must not be lost, nor what is not text."""
    return "text" not in part or "thoughtSignature" in part


def _visible_parts(message: JsonObject) -> list[JsonObject]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"text": content}] if content else []
    return [_visible_part(part) for part in content or ()]


def _visible_part(part: JsonObject) -> JsonObject:
    if part["type"] == "text":
        return without(part, "type")
    if part["type"] == "provider_native":
        return _native_part(part)
    raise InvalidPayload(
        f"Gemini encoder: normalized content part type '{part['type']}' cannot be encoded into Gemini content"
    )


def _native_part(part: JsonObject) -> JsonObject:
    if part["provider"] != PROVIDER:
        raise InvalidPayload(
            f"Gemini encoder: provider_native content part for provider '{part['provider']}' "
            "cannot be encoded by the Gemini generateContent codec"
        )
    if not part["kind"]:
        raise InvalidPayload("Gemini encoder: provider_native content part kind must be non-empty")
    value = part["value"]
    if not isinstance(value, dict):
        raise InvalidPayload("Gemini encoder: provider_native value must be an object")
    if data_field(value, "provider_native") in ("functionCall", "functionResponse"):
        raise InvalidPayload(
            "Gemini encoder: provider_native content parts must not encode functionCall or functionResponse; "
            "use tool_calls or tool messages"
        )
    return value


def _tool_content(content: Any) -> tuple[str, list[JsonObject] | None]:
    """The text of a tool message, and its nested parts if it is a list."""
    if isinstance(content, str):
        return content, None
    texts, nested = [], []
    for part in content:
        if part["type"] == "text":
            texts.append(part["text"])
        elif part["type"] == "provider_native":
            nested.append(_native_part(part))
        else:
            raise InvalidPayload(
                f"Gemini encoder: normalized tool content part type '{part['type']}' "
                "cannot be encoded into functionResponse.parts"
            )
    return "\n".join(texts), nested


def _arguments(name: str, call_id: str, text: str) -> JsonObject:
    if not name:
        raise InvalidPayload("Gemini encoder: tool call is missing a non-empty function name")
    if not call_id:
        raise InvalidPayload(f"Gemini encoder: tool call for '{name}' has an empty 'id'")
    value = parsed(text)
    if isinstance(value, str) and not _is_json_string(text):
        raise InvalidPayload(f"Gemini encoder: function call '{name}' has arguments that are not valid JSON: {text}")
    if not isinstance(value, dict):
        raise InvalidPayload(
            f"Gemini encoder: function call '{name}' arguments must be a JSON object, not {text_of(value)}"
        )
    return value


def _is_json_string(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), str)
    except (msgspec.MsgspecError, RecursionError):
        return False
