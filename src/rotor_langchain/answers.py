"""The engine's answers and chunks as LangChain's messages.

Chunks of one message are added up by LangChain: texts are joined and numbers summed, metadata too. So what is said
about the whole (who answered, why it ended, what it used) is said once, in a last chunk of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCall as LangChainToolCall
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.output_parsers.openai_tools import make_invalid_tool_call, parse_tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from rotor_core._outcome import Answer, Chunk, ToolCall, ToolCallDelta, Usage

if TYPE_CHECKING:
    from rotor_core._flow import Result  # the kernel is imported with the first engine: see `chat_model`

PROVIDER = "rotor"
"""What `model_provider` and `ls_provider` say: LangChain trusts reported tokens only where the two agree."""

_GATEWAY = "lc_gateway_metadata"
"""Where LangChain's tracer looks for the model that answered, which nobody knew when the run began. It is not shown."""


def to_chat_result(result: Result) -> ChatResult:
    """A whole answer, as `_generate` returns it."""
    answer = result.answer
    assert answer is not None
    native: AIMessage | None = answer.native
    said = about(result, answer.finish_reason)
    if native is None:
        message = _message(answer, said)
    else:
        message = AIMessage(
            content=_standard_content(native),
            additional_kwargs=_without_raw_calls(native.additional_kwargs),
            tool_calls=native.tool_calls,
            invalid_tool_calls=native.invalid_tool_calls,
            usage_metadata=native.usage_metadata,
            response_metadata=said,
        )
    return ChatResult(generations=[ChatGeneration(message=message, generation_info=_identity(result))])


def _message(answer: Answer, said: dict[str, Any]) -> AIMessage:
    calls, invalid = _parse_calls(answer.tool_calls) if answer.tool_calls else ([], [])
    return AIMessage(
        content=answer.text,
        additional_kwargs=_beside(answer.reasoning, enumerate(answer.tool_calls)),
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=usage_metadata(answer.usage),
        response_metadata=said,
    )


EXTRA = "extra_content"
"""Where a message keeps what a provider wants back with its tool calls: by each call's id, or its place where it has none."""


def _beside(reasoning: str, calls: Iterable[tuple[int, ToolCall | ToolCallDelta]]) -> dict[str, Any]:
    """What a message says beside its content: `reasoning_content`, and `extra_content` for calls that have some.

    Pieces of a stream are merged by LangChain, key by key, so each call's part comes through as it was.
    """
    said: dict[str, Any] = {"reasoning_content": reasoning} if reasoning else {}
    extra = {call.id or str(place): dict(call.extra) for place, call in calls if call.extra}
    return {**said, EXTRA: extra} if extra else said


def _parse_calls(calls: Sequence[ToolCall]) -> tuple[list[LangChainToolCall], list[InvalidToolCall]]:
    good: list[LangChainToolCall] = []
    bad: list[InvalidToolCall] = []
    for call in calls:
        raw = {"id": call.id, "function": {"name": call.name, "arguments": call.arguments}}
        try:
            parsed = parse_tool_call(raw, return_id=True)
        except OutputParserException as error:
            bad.append(make_invalid_tool_call(raw, str(error)))
            continue
        if parsed is not None and isinstance(parsed["args"], dict):
            good.append(cast("LangChainToolCall", parsed))
        else:
            bad.append(make_invalid_tool_call(raw, "the arguments are not a JSON object"))
    return good, bad


CALLS_FROM: Final = 1000
"""Where the numbers of tool calls begin in content of output version 1.

LangChain joins blocks of one number there, and itself numbers texts and reasoning from 0: a provider's tool call 0
would be joined to the text before it.
"""


def to_chunk(chunk: Chunk, calls_from: int = 0) -> ChatGenerationChunk | None:
    """A piece of an answer, or None where there is nothing in it for the caller. Usage and metadata wait for the last one."""
    if not chunk.has_content:
        return None
    if chunk.native is not None:
        native: AIMessageChunk = chunk.native
        message = AIMessageChunk(
            content=_standard_content(native),
            additional_kwargs=_without_raw_calls(native.additional_kwargs),
            tool_call_chunks=[
                d if d["index"] is None else {**d, "index": d["index"] + calls_from} for d in native.tool_call_chunks
            ],
        )
    else:
        message = AIMessageChunk(
            content=chunk.text,
            additional_kwargs=_beside(chunk.reasoning, ((delta.index, delta) for delta in chunk.tool_calls)),
            tool_call_chunks=[
                tool_call_chunk(name=d.name, args=d.arguments, id=d.id, index=d.index + calls_from)
                for d in chunk.tool_calls
            ],
        )
    return ChatGenerationChunk(message=message)


def first_chunk(chunk: ChatGenerationChunk) -> ChatGenerationChunk:
    """The provider is said at once too, so that whoever shows a stream knows: of all metadata, it alone may come twice."""
    chunk.message.response_metadata = {"model_provider": PROVIDER}
    return chunk


def last_chunk(result: Result, finish_reason: str | None) -> ChatGenerationChunk:
    """What is said once about a stream."""
    message = AIMessageChunk(
        content="",
        usage_metadata=usage_metadata(result.usage),
        response_metadata=about(result, finish_reason),
        chunk_position="last",
    )
    return ChatGenerationChunk(message=message, generation_info=_identity(result))


def usage_metadata(usage: Usage | None) -> UsageMetadata | None:
    """Tokens in LangChain's names; details where there are any."""
    if usage is None:
        return None
    made = UsageMetadata(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, total_tokens=usage.total_tokens
    )
    if usage.cached_tokens:
        made["input_token_details"] = InputTokenDetails(cache_read=usage.cached_tokens)
    if usage.reasoning_tokens:
        made["output_token_details"] = OutputTokenDetails(reasoning=usage.reasoning_tokens)
    return made


def about(result: Result, finish_reason: str | None) -> dict[str, Any]:
    """`response_metadata`: who answered, after what. `attempts` counts calls made; `waited_s` is in seconds.

    `continued`, where it is there: how often another deployment went on with a stream that had broken.
    """
    deployment, demand = result.deployment, result.demand
    return {
        "model_name": deployment.name,
        "model_provider": PROVIDER,
        "finish_reason": finish_reason,
        "rotor": {
            "provider": deployment.provider.name,
            "model": deployment.model.name,
            "credential": deployment.credential.id,
            "attempts": sum(a.failure is None or not a.failure.unfit for a in result.attempts),
            "waited_s": round(result.waited, 3),
            "estimated_tokens": demand.input_tokens + demand.output_tokens,
            "cost_usd": result.cost_usd,
            "decision": result.decision,
            **({"continued": result.continued} if result.continued else {}),
        },
    }


def _identity(result: Result) -> dict[str, Any]:
    deployment = result.deployment
    return {_GATEWAY: {"provider": deployment.provider.name, "model": deployment.model.name}}


_CALL_BLOCKS = frozenset({"tool_call", "tool_call_chunk", "invalid_tool_call"})


def _standard_content(native: AIMessage) -> Any:
    """A text as it is; blocks in LangChain's standard form, as only the model's own translator could later make them."""
    if isinstance(native.content, str):
        return native.content
    return [block for block in native.content_blocks if block["type"] not in _CALL_BLOCKS]


def _without_raw_calls(additional: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in additional.items() if key != "tool_calls"}
