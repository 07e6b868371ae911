# SPDX-License-Identifier: Apache-2.0
"""The agent that every recorder watches: LangChain's own ``create_agent`` on a model that answers at once.

It asks for its one tool as often as it is told to, and then answers; the calls, their arguments and the usage are real.
It needs LangChain and nothing else, so it runs in the venv of any recorder.
"""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool

QUESTION = "Do I need an umbrella in Lisbon on any of the next three days?"
ANSWER = "Yes: rain is expected on two of the three days, so take the umbrella."
TURN = "A sentence of an earlier turn of this conversation, of about the usual length, with nothing special in it. "


@tool
def forecast(city: str, days: int) -> dict[str, Any]:
    """Tell the weather of the next days."""
    return {"city": city, "days": [{"day": day, "rain": day % 2 == 0, "degrees": 14.5 + day} for day in range(days)]}


class InstantChatModel(BaseChatModel):
    """Asks for the forecast ``turns`` times, then answers."""

    turns: int = 1
    model: str = "instant-1"

    @property
    def _llm_type(self) -> str:
        return "instant"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(ls_provider="instant", ls_model_name=self.model, ls_model_type="chat")

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """As provider integrations do: the tools in OpenAI's form, as a parameter of the call."""
        return self.bind(tools=[convert_to_openai_tool(each) for each in tools], **kwargs)

    def _reply(self, messages: list[BaseMessage]) -> ChatResult:
        done = 0
        while isinstance(messages[-1 - 2 * done], ToolMessage):
            done += 1
        usage = UsageMetadata(input_tokens=21 + 40 * done, output_tokens=6, total_tokens=27 + 40 * done)
        facts = {"finish_reason": "stop" if done == self.turns else "tool_calls", "model_name": self.model}
        message = AIMessage(ANSWER, usage_metadata=usage, response_metadata=facts)
        if done < self.turns:
            call = {"name": "forecast", "args": {"city": "Lisbon", "days": 3}, "id": f"call_{done}"}
            message = AIMessage("", tool_calls=[call], usage_metadata=usage, response_metadata=facts)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return self._reply(messages)

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return self._reply(messages)


def agent(turns: int, middleware: list[Any]) -> Any:
    """The compiled agent; a run of it takes ``2 * turns + 1`` steps."""
    return create_agent(InstantChatModel(turns=turns), [forecast], name="bench", middleware=middleware)


def conversation(history: int) -> dict[str, Any]:
    """What one run is given: ``history`` earlier messages and the question, all of them new objects."""
    earlier = [(AIMessage if turn % 2 else HumanMessage)(TURN * 2, id=f"m{turn}") for turn in range(history)]
    return {"messages": [*earlier, HumanMessage(QUESTION, id="question")]}
