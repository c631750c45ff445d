"""The engine's answers in LiteLLM's own objects: whole ones, and the pieces of streams.

LiteLLM looks at the pieces of a custom provider's stream once more, with consequences for what stands where. A piece with a
`finish_reason` ends the stream, and what else it holds is thrown away. So usage goes before it, in a piece of its own that
LiteLLM keeps for itself; without one it would count by some tokenizer. A piece's model is the name that was asked for, as
with any stream of LiteLLM's; who answered stands in its hidden parameters, where LiteLLM looks for the price's sake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rotor_core._flow import Result
from rotor_core._model import Deployment
from rotor_core._outcome import Answer, Chunk, ToolCall, ToolCallDelta, Usage
from rotor_litellm.host import litellm
from rotor_litellm.story import headers_for, mark

EXTRA: Final = "extra_content"
"""What a provider wants back with a tool call. It travels in the call's `provider_specific_fields`, LiteLLM's place for such."""


def answered(response: Any, result: Result, record: object = None) -> Any:
    """A whole answer, written into the response that LiteLLM made ready for it. `record`: LiteLLM's of the call, see `mark`."""
    answer = result.answer
    assert answer is not None
    calls = [_call(call) for call in answer.tool_calls]
    message = litellm.Message(
        content=answer.text or (None if calls else ""), role="assistant", tool_calls=calls or None
    )
    if answer.reasoning:
        message.reasoning_content = answer.reasoning
    response.choices = [litellm.Choices(finish_reason=_ended(answer), index=0, message=message)]
    response.model = result.deployment.name
    if answer.id:
        response.id = answer.id
    if result.usage is not None:
        response.usage = usage_of(result.usage)
    story = story_of(result)
    told: dict[str, Any] = {"additional_headers": headers_for(story)}
    if result.cost_usd is not None:
        told["response_cost"] = result.cost_usd
    response._hidden_params = {**(getattr(response, "_hidden_params", None) or {}), **told}  # noqa: SLF001  LiteLLM's place for this
    mark(response, story, record)
    return response


def who(deployment: Deployment) -> dict[str, Any]:
    """Who answers, as a story says it."""
    return {
        "deployment": deployment.id,
        "provider": deployment.provider.name,
        "model": deployment.name,
        "credential": deployment.credential.id,
        "free": deployment.free,
    }


def story_of(result: Result) -> dict[str, Any]:
    """What befell a request. `attempts`: calls made, the answering one included; `cost_usd` None: not known."""
    return {
        **who(result.deployment),
        "attempts": len(result.attempts),
        "waited_s": round(result.waited, 3),
        "estimated_tokens": result.demand.input_tokens + result.demand.output_tokens,
        "cost_usd": result.cost_usd,
        "decision": result.decision,
    }


class Pieces:
    """One stream's chunks as LiteLLM's, all of one answer: one id, one time. `alias`: the model's name as it was asked for.

    `story`: a mapping that says who answers, as far as that is known by then.
    """

    def __init__(self, alias: str, story: Mapping[str, Any]) -> None:
        self._alias, self._story = alias, story
        self._same: dict[str, Any] = {}
        self._begun, self._called = False, False
        self._reason: str | None = None

    def of(self, chunk: Chunk) -> Iterator[Any]:
        """Of a chunk: a piece, or none where it has no content. How the answer ended is said by `last`."""
        self._reason = chunk.finish_reason or self._reason
        self._called = self._called or bool(chunk.tool_calls)
        if chunk.id:
            self._same.setdefault("id", chunk.id)
        if not chunk.has_content:
            return
        delta: dict[str, Any] = {}
        if chunk.text:
            delta["content"] = chunk.text
        if chunk.reasoning:
            delta["reasoning_content"] = chunk.reasoning
        if chunk.tool_calls:
            delta["tool_calls"] = [_piece_of_call(call) for call in chunk.tool_calls]
        yield self._made(delta)

    def last(self, result: Result) -> Iterator[Any]:
        """What was used and by whom, and how it ended."""
        if not self._begun:
            yield self._made({"content": ""})
        if result.usage is not None:
            piece = self._made({})
            piece.usage = usage_of(result.usage)
            yield piece
        yield self._made({}, self._reason or ("tool_calls" if self._called else "stop"))

    def _made(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> Any:
        types = litellm.types.utils
        role = {} if self._begun else {"role": "assistant"}
        self._begun = True
        choice = types.StreamingChoices(index=0, delta=types.Delta(**role, **delta), finish_reason=finish_reason)
        piece = types.ModelResponseStream(model=self._alias, choices=[choice], **self._same)
        self._same = {"id": piece.id, "created": piece.created}
        story = dict(self._story)
        piece._hidden_params.update(  # noqa: SLF001  as above
            rotor=story, additional_headers=headers_for(story), provider_response_model=story.get("model")
        )
        return piece


def usage_of(usage: Usage) -> Any:
    """Tokens in LiteLLM's object, with details as OpenAI has them: none is 0."""
    return litellm.Usage(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details={"cached_tokens": usage.cached_tokens},
        completion_tokens_details={"reasoning_tokens": usage.reasoning_tokens},
    )


def _ended(answer: Answer) -> str:
    return answer.finish_reason or ("tool_calls" if answer.tool_calls else "stop")


def _call(call: ToolCall) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments},
    }  # fmt: skip
    return _with_extra(made, call.extra)


def _piece_of_call(call: ToolCallDelta) -> dict[str, Any]:
    made: dict[str, Any] = {
        "index": call.index, "id": call.id, "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }  # fmt: skip
    return _with_extra(made, call.extra)


def _with_extra(made: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    return {**made, "provider_specific_fields": {EXTRA: dict(extra)}} if extra else made
