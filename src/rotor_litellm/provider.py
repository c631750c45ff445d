"""The provider's door: `custom_provider_map: [{provider: rotor, custom_handler: rotor_litellm.provider.rotor}]`.

`model: rotor/fast` is then a model like any other, from any of LiteLLM's clients. `fast` is a pool of `rotor.yaml`; `auto`
lets the task choose the pool; `provider/model` pins one. Rotor makes the calls itself: it waits, fails over, also within
a stream's beginning, and LiteLLM sees one call that was answered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

from rotor_core._errors import ConfigError, RotorError, StreamBroken
from rotor_core._flow import Result
from rotor_core._outcome import Answer, Chunk, Usage
from rotor_core._request import Request
from rotor_core.rotor import Rotor, Source
from rotor_litellm.errors import for_litellm
from rotor_litellm.host import CustomLLM, litellm
from rotor_litellm.request import options_of
from rotor_litellm.story import headers_for

_OURS: Final = ("rotor", "stream", "stream_options", "max_retries", "extra_headers", "extra_body", "user")
"""Parameters that LiteLLM passes on and that no provider behind us is to see."""


class RotorProvider(CustomLLM):  # type: ignore[misc]  # pyright: ignore[reportUntypedBaseClass]  see `host`
    """`config`: a `rotor.yaml`, as a path or a mapping; None: wherever one is found. The engine is made by the first call."""

    def __init__(self, config: Source = None) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]  see `host`
        self._config, self._engine = config, cast("Rotor | None", None)

    @property
    def engine(self) -> Rotor:
        """To listen to, and to look at. Raises ConfigError where there is no configuration, and no key."""
        if self._engine is None:
            self._engine = Rotor.from_config(self._config)
        return self._engine

    def close(self) -> None:
        """Let go of the engine; a later call makes another one."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def completion(self, **given: Any) -> Any:
        model = str(given["model"])
        with _told_as_theirs(model):
            result = self.engine.chat(_request(given), **self._options(given))
        return _answered(given["model_response"], result)

    async def acompletion(self, **given: Any) -> Any:
        model = str(given["model"])
        with _told_as_theirs(model):
            result = await self.engine.achat(_request(given), **self._options(given))
        return _answered(given["model_response"], result)

    def streaming(self, **given: Any) -> Iterator[Any]:
        model = str(given["model"])
        with _told_as_theirs(model), self.engine.stream(_request(given), **self._options(given)) as chunks:
            ended = "stop"
            for chunk in chunks:
                ended = chunk.finish_reason or ended
                if (piece := _piece(chunk, model)) is not None:
                    yield piece
            yield _last(chunks.result, model, ended)

    async def astreaming(self, **given: Any) -> AsyncIterator[Any]:
        model = str(given["model"])
        with _told_as_theirs(model):
            async with self.engine.astream(_request(given), **self._options(given)) as chunks:
                ended = "stop"
                async for chunk in chunks:
                    ended = chunk.finish_reason or ended
                    if (piece := _piece(chunk, model)) is not None:
                        yield piece
                yield _last(chunks.result, model, ended)

    def _options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What the engine is told: the pool, and what the call's `metadata.rotor`, or its parameter `rotor`, says."""
        params: Any = given.get("optional_params") or {}
        said = options_of(given.get("litellm_params") or {}) | options_of({"metadata": params})
        said.pop("max_wait", None)
        options: dict[str, Any] = {**said, "model": str(given["model"])}
        timeout = given.get("timeout")
        if isinstance(timeout, int | float) and timeout > 0:
            options["timeout"] = float(timeout)
        return options


rotor: Final = RotorProvider()


@contextmanager
def _told_as_theirs(model: str) -> Generator[None]:
    try:
        yield
    except StreamBroken as error:
        made = litellm.ServiceUnavailableError(message=str(error), llm_provider="rotor", model=model)
        made.num_retries = 0
        raise made from error
    except ConfigError as error:
        if error.key == "model":
            raise litellm.NotFoundError(message=str(error), llm_provider="rotor", model=model) from error
        raise for_litellm(error, model) from error
    except RotorError as error:
        raise for_litellm(error, model) from error


def _request(given: Mapping[str, Any]) -> Request:
    params = dict(given.get("optional_params") or {})
    extra: Any = params.pop("extra_body", None)
    if isinstance(extra, Mapping):
        params.update(cast("Mapping[str, Any]", extra))
    tools, choice, wants = (
        params.pop("tools", None),
        params.pop("tool_choice", None),
        params.pop("response_format", None),
    )
    for name in _OURS:
        params.pop(name, None)
    return Request(
        [_plain(m) for m in given["messages"]],
        tuple(cast("Sequence[Mapping[str, Any]]", tools or ())),
        choice if tools else None,
        _schema(wants),
        {name: value for name, value in params.items() if value is not None},
    )


def _plain(message: Any) -> Mapping[str, Any]:
    if isinstance(message, Mapping):
        return cast("Mapping[str, Any]", message)
    found: Mapping[str, Any] = message.model_dump(exclude_none=True)
    return found


def _schema(wants: Any) -> Mapping[str, Any] | None:
    """A response format as a mapping; a pydantic class as the schema that LiteLLM makes of it."""
    if wants is None or isinstance(wants, Mapping):
        return cast("Mapping[str, Any] | None", wants)
    made: Any = litellm.utils.type_to_response_format_param(wants)
    return cast("Mapping[str, Any] | None", made)


def _answered(response: Any, result: Result) -> Any:
    """The engine's answer in LiteLLM's own object."""
    answer = result.answer
    assert answer is not None
    choice = response.choices[0]
    choice.finish_reason = answer.finish_reason or ("tool_calls" if answer.tool_calls else "stop")
    choice.message = litellm.Message(content=answer.text or None, role="assistant", tool_calls=_calls(answer) or None)
    if answer.reasoning:
        choice.message.reasoning_content = answer.reasoning
    response.model = result.deployment.name
    if answer.id:
        response.id = answer.id
    if result.usage is not None:
        response.usage = _usage(result.usage)
    response._hidden_params = {**(getattr(response, "_hidden_params", None) or {}), **_hidden(result)}  # noqa: SLF001  LiteLLM's place for this
    return response


def _calls(answer: Answer) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in answer.tool_calls
    ]


def _usage(usage: Usage) -> Any:
    return litellm.Usage(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details={"cached_tokens": usage.cached_tokens} if usage.cached_tokens else None,
        completion_tokens_details={"reasoning_tokens": usage.reasoning_tokens} if usage.reasoning_tokens else None,
    )


def _hidden(result: Result) -> dict[str, Any]:
    deployment = result.deployment
    story = {
        "deployment": deployment.id,
        "provider": deployment.provider.name,
        "model": deployment.name,
        "credential": deployment.credential.id,
        "attempts": len(result.attempts),
        "waited_s": round(result.waited, 3),
        "free": deployment.free,
        "estimated_tokens": result.demand.input_tokens + result.demand.output_tokens,
        "cost_usd": result.cost_usd,
        "decision": result.decision,
    }
    told: dict[str, Any] = {"rotor": story, "additional_headers": headers_for(story)}
    if result.cost_usd is not None:
        told["response_cost"] = result.cost_usd
    return told


def _piece(chunk: Chunk, model: str) -> Any:
    """A piece of a stream; None for one without content: how it ended is said in the last."""
    if not chunk.has_content:
        return None
    delta: dict[str, Any] = {"role": "assistant"}
    if chunk.text:
        delta["content"] = chunk.text
    if chunk.reasoning:
        delta["reasoning_content"] = chunk.reasoning
    if chunk.tool_calls:
        delta["tool_calls"] = [
            {"index": d.index, "id": d.id, "type": "function", "function": {"name": d.name, "arguments": d.arguments}}
            for d in chunk.tool_calls
        ]
    return _stream_part(model, delta, None)


def _last(result: Result, model: str, ended: str) -> Any:
    part = _stream_part(model, {}, ended)
    if result.usage is not None:
        part.usage = _usage(result.usage)
    part._hidden_params = _hidden(result)  # noqa: SLF001  as above
    return part


def _stream_part(model: str, delta: Mapping[str, Any], finish_reason: str | None) -> Any:
    types = litellm.types.utils
    choice = types.StreamingChoices(index=0, delta=types.Delta(**delta), finish_reason=finish_reason)
    return types.ModelResponseStream(model=model, choices=[choice])
