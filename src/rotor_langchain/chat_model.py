"""`ChatRotor`: a chat model that LangChain cannot tell from its own, answered by whichever model has room.

All four ways of calling are one way: sort the arguments, ask the engine, put its answer into LangChain's words.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.callbacks.manager import AsyncCallbackManager, CallbackManager
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.utils.uuid import uuid7
from pydantic import AliasChoices, ConfigDict, Field, SecretStr, SkipValidation, ValidationError, model_validator

from rotor_core._version import __version__
from rotor_langchain import tracing
from rotor_langchain.answers import CALLS_FROM, first_chunk, last_chunk, to_chat_result, to_chunk
from rotor_langchain.call import OWN, RUN, check_own, options_of, request_of
from rotor_langchain.errors import TRANSLATED
from rotor_langchain.events import NOBODY, AsyncTeller, Run, RunReference, Teller, audience
from rotor_langchain.profile import profile_of
from rotor_langchain.sources import open_rotor, refuse_unknown, unreadable
from rotor_langchain.structured import Method, Schema, json_schema_format, structured
from rotor_langchain.tokens import count_in_messages, count_in_text
from rotor_langchain.tools import Tool, ToolChoice, to_tool_choice, to_tools

if TYPE_CHECKING:
    from rotor_core.rotor import Rotor
else:
    Rotor = Any  # the engine is imported when the first one is made: importing a class costs nobody its time

_SENT: Final = ("temperature", "max_tokens", "top_p", "seed", "stop")
_Teller = TypeVar("_Teller", Teller, AsyncTeller)
_Manager = TypeVar("_Manager", CallbackManager, AsyncCallbackManager)


class ChatRotor(BaseChatModel):
    """One chat model over many providers, models and keys: free capacity first, and no limit tripped.

        ChatRotor()                                    # keys from the environment, or a rotor.yaml
        ChatRotor(model="code")                        # a pool; "auto" chooses the pool by task
        ChatRotor(model="groq/openai/gpt-oss-120b")    # one model; its keys still rotate
        ChatRotor(config="rotor.yaml")                 # a file, or a mapping of the same shape
        ChatRotor(rotor=engine)                        # an engine that you made and share
        ChatRotor(models=[ChatGroq(...), (ChatOpenAI(...), {"rpm": 10})])   # your own chat models, rotated

    `model`, `task`, `priority`, `caller`, `deadline`, `timeout`, `max_retries` and any provider parameter may be given
    per call too. `response_metadata` of an answer says who gave it, and after what. Construction raises ConfigError;
    calls raise the classes of `rotor_langchain.errors`, which are LangChain's own as well.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, populate_by_name=True)

    model: str | None = None
    """A pool's name, `auto`, or `provider/model`. None: the default pool."""
    task: str | None = None
    """What requests are for, where you know: it chooses the pool when `model` does not."""
    priority: int | Literal["interactive", "normal", "batch"] = 0
    """Higher goes first where there is a wait: `interactive` (10) before `normal` (0) before `batch` (-10)."""
    caller: str | None = None
    """On whose behalf, where there are budgets for callers."""
    deadline: float | datetime | None = None
    """When an answer is of no use any more: seconds from the beginning of each call, or an instant."""

    temperature: float | None = None
    max_tokens: int | None = Field(default=None, validation_alias=AliasChoices("max_tokens", "max_completion_tokens"))
    top_p: float | None = None
    seed: int | None = None
    stop: list[str] | None = Field(default=None, validation_alias=AliasChoices("stop", "stop_sequences"))
    model_kwargs: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Any other parameters of the provider's, sent as they stand."""

    timeout: float | None = Field(default=None, validation_alias=AliasChoices("timeout", "request_timeout"))
    """Seconds for one call to a provider. None: the provider's own (120)."""
    max_retries: int | None = None
    """Calls after the first, at most, wherever they go. None: the policy's `max_attempts` less one."""
    streaming: bool | None = None
    """True: answers are streamed inside even where the caller does not ask; False: never."""
    custom_stream: bool = True
    """Whether status events go to LangGraph's custom stream too, when this runs in a node and the caller asked for it."""
    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    """The key of a `model` that is pinned as `provider/model`, for a start without any configuration.

    Beside `config`, `rotor` or `models` it is not used: keys stand there. Generic code passes one to any chat model.
    """

    config: SkipValidation[str | PathLike[str] | Mapping[str, Any] | None] = Field(
        default=None, exclude=True, repr=False
    )
    models: SkipValidation[Sequence[Any] | None] = Field(default=None, exclude=True, repr=False)
    """Your own chat models, each alone or with what is known of it: `(model, {"limits": [...], "price": {...}})`."""
    rotor: SkipValidation[Rotor | None] = Field(default=None, exclude=True, repr=False)
    """The engine; shared by every copy of this model."""

    if not TYPE_CHECKING:  # type checkers take the keywords from the fields above

        def __init__(self, **given: Any) -> None:
            # Before pydantic, which would bury a ConfigError in an error of its own.
            refuse_unknown(type(self), given)
            try:
                super().__init__(**{**given, "rotor": open_rotor(given)})
            except ValidationError as error:
                raise unreadable(error) from None  # pydantic's would show the value, and be several lines long
            for name in OWN:
                check_own(name, getattr(self, name))

    @model_validator(mode="after")
    def _set_rotor_version(self) -> Self:
        self._add_version("llm-rotor", __version__)
        return self

    @property
    def engine(self) -> Rotor:
        """The engine that answers."""
        assert self.rotor is not None
        return self.rotor

    def default_params(self) -> dict[str, Any]:
        """The parameters that every call sends, unless it says otherwise."""
        params = dict(self.model_kwargs)
        for name in _SENT:
            value = getattr(self, name)
            if value is not None:
                params[name] = value
        return params

    # -- answering

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        teller = self._teller(Teller, kwargs, run_manager)
        with TRANSLATED:
            options = options_of(self, kwargs)
            return to_chat_result(self.engine.chat(request_of(self, messages, stop, kwargs), listen=teller, **options))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        teller = self._teller(AsyncTeller, kwargs, run_manager)
        with TRANSLATED:
            async with teller or NOBODY:
                options = options_of(self, kwargs)
                return to_chat_result(
                    await self.engine.achat(request_of(self, messages, stop, kwargs), listen=teller, **options)
                )

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        teller = self._teller(Teller, kwargs, run_manager)
        mark, finish_reason, calls_from = first_chunk, None, self._calls_from
        with TRANSLATED:
            options = options_of(self, kwargs)
            request = request_of(self, messages, stop, kwargs)
            with self.engine.stream(request, listen=teller, **options) as chunks:
                for chunk in chunks:
                    finish_reason = chunk.finish_reason or finish_reason
                    piece = to_chunk(chunk, calls_from)
                    if piece is not None:
                        yield mark(piece)
                        mark = _as_it_is
                yield last_chunk(chunks.result, finish_reason)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        teller = self._teller(AsyncTeller, kwargs, run_manager)
        mark, finish_reason, calls_from = first_chunk, None, self._calls_from
        with TRANSLATED:
            async with teller or NOBODY as listeners:
                options = options_of(self, kwargs)
                request = request_of(self, messages, stop, kwargs)
                async with self.engine.astream(request, listen=teller, **options) as chunks:
                    async for chunk in chunks:
                        finish_reason = chunk.finish_reason or finish_reason
                        piece = to_chunk(chunk, calls_from)
                        if piece is not None:
                            await listeners.flush()
                            yield mark(piece)
                            mark = _as_it_is
                    await listeners.flush()
                    yield last_chunk(chunks.result, finish_reason)

    @property
    def _calls_from(self) -> int:
        return CALLS_FROM if self.output_version == "v1" else 0

    # -- the run in whose name status events are told: see `events`

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002  LangChain's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        config = self._announce(CallbackManager, config, kwargs)
        return super().stream(input, config, stop=stop, **kwargs)

    def astream(
        self,
        input: LanguageModelInput,  # noqa: A002  LangChain's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        config = self._announce(AsyncCallbackManager, config, kwargs)
        return super().astream(input, config, stop=stop, **kwargs)

    def _announce(
        self, manager: type[_Manager], config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> RunnableConfig:
        """A config whose run id is fixed now: LangChain tells `_stream` nothing of the run that it has begun."""
        config = ensure_config(config)
        run_id = config.get("run_id")
        if run_id is None:
            run_id = config["run_id"] = uuid7()
        configured = manager.configure(
            config.get("callbacks"), self.callbacks, self.verbose, config.get("tags"), self.tags,
            config.get("metadata"), self.metadata,
        )  # fmt: skip
        kwargs[RUN] = Run(configured.handlers, run_id, configured.tags, configured.metadata)
        return config

    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        kwargs[RUN] = run_manager
        result = super()._generate_with_cache(messages, stop=stop, run_manager=run_manager, **kwargs)
        result.llm_output = tracing.llm_output(result.generations[0].message)
        return result

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        kwargs[RUN] = run_manager
        result = await super()._agenerate_with_cache(messages, stop=stop, run_manager=run_manager, **kwargs)
        result.llm_output = tracing.llm_output(result.generations[0].message)
        return result

    def _teller(self, kind: type[_Teller], kwargs: dict[str, Any], run_manager: RunReference | None) -> _Teller | None:
        heard = audience(kwargs.pop(RUN, None) or run_manager, custom_stream=self.custom_stream)
        return None if heard is None else kind(*heard, self.engine.pool_state)

    # -- tools and structured output

    def bind_tools(
        self,
        tools: Sequence[Tool],
        *,
        tool_choice: ToolChoice = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        response_format: Schema = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools, converted and checked now.

        `tool_choice`: `auto`, `none`, `any` (also True, `required`), or a tool's name. `response_format`: a schema, or
        OpenAI's dict, that the answer must keep to. Raises ConfigError for what is no tool, or no JSON Schema.
        """
        converted = to_tools(tools, strict=strict)
        if converted:
            kwargs["tools"] = converted
            choice = to_tool_choice(tool_choice, converted)
            if choice is not None:
                kwargs["tool_choice"] = choice
            if parallel_tool_calls is not None:
                kwargs["parallel_tool_calls"] = parallel_tool_calls
        if response_format is not None:
            kwargs["response_format"] = json_schema_format(response_format, strict=strict)
        return self.bind(**kwargs)

    def with_structured_output(
        self,
        schema: Schema = None,
        *,
        include_raw: bool = False,
        method: Method = "function_calling",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Answer in `schema`: a pydantic class, a TypedDict, or a JSON Schema (then a dict is returned).

        `method`: `function_calling`, `json_schema` (only models that keep to one) or `json_mode` (then say in the prompt
        what you want). `include_raw`: `{"raw", "parsed", "parsing_error"}` instead. Raises ConfigError.
        """
        return structured(
            schema, method=method, include_raw=include_raw, strict=strict,
            bind_tools=self.bind_tools, bind=self.bind, **kwargs,
        )  # fmt: skip

    # -- what LangChain asks of a model

    @property
    def _llm_type(self) -> str:
        return "rotor-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return tracing.identifying_params(self)

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        return tracing.invocation_params(self, self._llm_type, stop, kwargs)

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        return tracing.cache_key(self, self._llm_type, stop, kwargs)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return tracing.langsmith_params(self, stop, kwargs)

    def _combine_llm_outputs(self, _llm_outputs: list[dict[str, Any] | None], /) -> dict[str, Any]:
        return tracing.combined(_llm_outputs)

    def _resolve_model_profile(self) -> ModelProfile | None:
        return profile_of(self.engine.candidates(self.model))

    def get_num_tokens(self, text: str) -> int:
        return count_in_text(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        return count_in_messages(messages, tools)

    def get_token_ids(self, text: str) -> list[int]:
        """One number for each token that the text is estimated at. Only their count means anything."""
        if self.custom_get_token_ids is not None:
            return self.custom_get_token_ids(text)
        return list(range(count_in_text(text)))

    # -- copies share the engine; a pickle carries what to make it from

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self.model_copy()

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        if self.models is not None:
            state["__dict__"] = {**state["__dict__"], "rotor": None}
        return state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        if self.rotor is None:
            self.rotor = open_rotor(vars(self))


def _as_it_is(chunk: ChatGenerationChunk) -> ChatGenerationChunk:
    return chunk
