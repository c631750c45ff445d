"""Someone's own chat model, its tool and its errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from pydantic import Field


class Own(BaseChatModel):
    """Someone's chat model, of today's kind: native chunks, blocks, its own errors."""

    model: str = "own-1"
    fails: list[Any] = Field(default_factory=list)
    seen: list[Any] = Field(default_factory=list)
    content: Any = "hello"
    max_retries: int = 6

    @property
    def _llm_type(self) -> str:
        return "own-chat"

    def _begin(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> None:
        self.seen.append((messages, kwargs))
        if self.fails:
            raise self.fails.pop(0)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        self._begin(messages, {"stop": stop, **kwargs})
        message = AIMessage(
            self.content, response_metadata={"finish_reason": "stop", "model_provider": "anthropic"},
            usage_metadata={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        )  # fmt: skip
        if kwargs.get("tools"):
            message.tool_calls = [{"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}]
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        self._begin(messages, {"stop": stop, **kwargs})
        chunks = [
            AIMessageChunk("hel", usage_metadata={"input_tokens": 3, "output_tokens": 0, "total_tokens": 3}),
            AIMessageChunk("lo"),
        ]
        if kwargs.get("tools"):
            chunks = [
                AIMessageChunk("", tool_call_chunks=[tool_call_chunk(name="add", args='{"a"', id="c1", index=0)]),
                AIMessageChunk("", tool_call_chunks=[tool_call_chunk(args=": 1}", index=0)]),
            ]
        last = AIMessageChunk(
            "",
            response_metadata={"finish_reason": "stop", "model_name": "x"},
            usage_metadata={"input_tokens": 0, "output_tokens": 2, "total_tokens": 2},
        )
        for message in (*chunks, last):
            yield ChatGenerationChunk(message=message)

    def bind_tools(self, tools: Any, *, tool_choice: Any = None, **kwargs: Any) -> Any:
        return self.bind(tools=tools, tool_choice=tool_choice, **kwargs)


@tool
def add(a: int) -> int:
    """Add."""
    return a


class Http(Exception):
    """An SDK's error, as they commonly are."""

    def __init__(self, status: int, headers: dict[str, str] | None = None, text: str = "") -> None:
        super().__init__(text or f"HTTP {status}")
        self.status_code = status
        self.response = type("Response", (), {"headers": headers or {}, "text": text, "status_code": status})()
