# SPDX-License-Identifier: Apache-2.0
"""The configuration of the component ``guard``: its shape, its defaults, and what is wrong with one."""

# No `annotations` from the future: pydantic reads the types themselves.
import re
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, field_validator, model_validator

from nemo_relay_pii import DETECTORS, compiled, segments

On = Literal["tool", "tool_result", "llm", "llm_response"]
_TESTS = (
    "equals",
    "in",
    "glob",
    "regex",
    "contains",
    "longer_than",
    "host_in",
    "path_within",
    "path_outside",
    "exists",
)
_HOLD_BACK = re.compile(r"none|sentence|whole|chars:[1-9]\d{0,5}")


class Table(BaseModel):
    """A table of the document. What it does not know is a typing error."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, hide_input_in_errors=True)


class Condition(Table):
    """What must hold of a part of the call: one test, and where."""

    path: StrictStr = Field("", description="a JSON Pointer; * is any key or index, ** any depth")
    equals: Any = None
    one_of: list[Any] | None = Field(None, alias="in")
    glob: StrictStr | None = None
    regex: StrictStr | None = Field(None, description="in RE2's syntax, anywhere in the text")
    contains: Any = None
    longer_than: StrictInt | None = Field(None, ge=0, description="characters")
    host_in: list[StrictStr] | None = Field(None, description="the host of a URL; *.example.com is any below it")
    path_within: list[StrictStr] | None = Field(None, description="a file in one of these folders, links followed")
    path_outside: list[StrictStr] | None = Field(None, description="a file in none of these folders")
    exists: StrictBool | None = None
    negated: StrictBool = Field(False, alias="not", description="turns the test around")

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        names = {"one_of": "in"}
        given = [names.get(name, name) for name in self.model_fields_set if names.get(name, name) in _TESTS]
        if len(given) != 1:
            raise ValueError(f"a condition has one test of {', '.join(_TESTS)}; this one has {sorted(given) or 'none'}")
        segments(self.path)
        if self.regex is not None:
            compiled(self.regex)
        return self

    @property
    def test(self) -> str:
        """The name of its test."""
        return next(name for name in self.model_fields_set if name not in ("path", "negated"))


class Rule(Table):
    """One rule: which calls it is for, what must hold of them, and what becomes of them then."""

    name: StrictStr = Field(min_length=1)
    on: On
    tools: list[StrictStr] | None = Field(None, description="globs; absent: all")
    models: list[StrictStr] | None = Field(None, description="globs; absent: all")
    providers: list[StrictStr] | None = Field(None, description="globs; absent: all")
    agents: list[StrictStr] | None = Field(None, description="globs on the nearest agent's name; absent: all")
    where: list[Condition] = []
    verdict: Literal["allow", "deny", "ask", "rewrite", "redact"]
    reason: StrictStr | None = Field(None, description="what the model gets")
    set: dict[StrictStr, Any] = Field({}, description="rewrite: JSON Pointer -> value")
    remove: list[StrictStr] = Field([], description="rewrite: JSON Pointers")
    detectors: list[StrictStr] = Field([], description="redact: those of pii_redaction")
    pattern: StrictStr | None = Field(None, description="redact: a regular expression in RE2's syntax")
    replacement: StrictStr = Field("[REDACTED]", description="{name} is the detector's name")
    hold_back: StrictStr = Field("sentence", description="of a stream: none, chars:N, sentence or whole")

    @field_validator("hold_back")
    @classmethod
    def _known_hold_back(cls, value: str) -> str:
        if not _HOLD_BACK.fullmatch(value):
            raise ValueError(f"hold_back is 'none', 'chars:N', 'sentence' or 'whole', not {value!r}")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        fields = self.model_fields_set
        if self.verdict == "rewrite" and not (self.set or self.remove):
            raise ValueError(f"the rule {self.name!r} rewrites nothing: give it `set` or `remove`")
        if self.verdict == "redact" and not (self.detectors or self.pattern):
            raise ValueError(f"the rule {self.name!r} redacts nothing: give it `detectors` or a `pattern`")
        if self.verdict != "rewrite" and fields & {"set", "remove"}:
            raise ValueError(f"`set` and `remove` belong to verdict = 'rewrite'; {self.name!r} has {self.verdict!r}")
        if self.verdict == "ask" and self.on not in ("tool", "llm"):
            raise ValueError(f"the rule {self.name!r} asks when it is too late: the call has been made")
        if "tools" in fields and not self.on.startswith("tool"):
            raise ValueError(f"`tools` belongs to rules on tools; {self.name!r} is on {self.on!r}")
        if fields & {"models", "providers"} and not self.on.startswith("llm"):
            raise ValueError(f"`models` and `providers` belong to rules on LLM calls; {self.name!r} is on {self.on!r}")
        if "hold_back" in fields and self.on != "llm_response":
            raise ValueError(f"`hold_back` belongs to rules on 'llm_response'; {self.name!r} is on {self.on!r}")
        unknown = [name for name in self.detectors if name not in DETECTORS and name != "all"]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no detector; there are all, {', '.join(DETECTORS)}")
        for pointer in (*self.set, *self.remove):
            segments(pointer)
        if self.pattern is not None:
            compiled(self.pattern)
        return self


class Limits(Table):
    """What a budget holds. What is absent is not limited."""

    usd: float | None = Field(None, ge=0)
    tokens: StrictInt | None = Field(None, ge=0)
    llm_calls: StrictInt | None = Field(None, ge=0)
    tool_calls: StrictInt | None = Field(None, ge=0)
    seconds: float | None = Field(None, ge=0, description="of wall time since the scope began")
    depth: StrictInt | None = Field(None, ge=1, description="agents inside each other")
    repeats: StrictInt | None = Field(None, ge=1, description="the same tool with equal arguments in a row")


class Backend(Table):
    """Where a budget is counted."""

    kind: Literal["memory", "sqlite", "redis"] = "memory"
    path: StrictStr | None = Field(None, description="sqlite: the file")
    url: StrictStr | None = Field(None, description="redis: the server")
    key_prefix: StrictStr = "nemo_relay:budget:"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {"sqlite": "path", "redis": "url"}.get(self.kind)
        if needed is not None and not getattr(self, needed):
            raise ValueError(f"backend.{needed} is required for kind = {self.kind!r}")
        return self


class Budget(Table):
    """What may be spent, by whom, and where it is counted."""

    name: StrictStr = Field(min_length=1)
    per: Literal["agent", "session", "user", "tenant", "process"] = "agent"
    limit: Limits
    window: float | None = Field(None, gt=0, description="seconds after which counting begins anew: a rate limit")
    tools: list[StrictStr] | None = Field(None, description="globs: only these tools count, and no LLM call")
    verdict: Literal["deny", "ask"] = "deny"
    backend: Backend = Field(default_factory=lambda: Backend.model_validate({}))

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if not self.limit.model_fields_set:
            raise ValueError(f"the budget {self.name!r} limits nothing")
        return self


class Config(Table):
    """The configuration of the component ``guard``."""

    mode: Literal["enforce", "observe"] = Field("enforce", description="observe: verdicts are recorded, nothing stops")
    default: Literal["allow", "deny"] = Field("allow", description="where no rule ends the matter")
    on_error: Literal["deny", "allow"] = Field("deny", description="a rule that fails")
    require_receipts: StrictBool = True
    canary: Literal["error", "warn", "off"] = "error"
    priority: StrictInt = Field(10, description="among the guardrails; lower ones run first")
    rules: list[Rule] = []
    budgets: list[Budget] = []

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for what, names in (
            ("rules", [one.name for one in self.rules]),
            ("budgets", [one.name for one in self.budgets]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two {what} are called {twice[0]!r}")
        return self
