"""What a caller sees when a stream breaks, wherever it is cut: the exception and its part, or the text that another one ends."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.kernel.made import Script, catalog, deployment, failure, reservation, work

from rotor_core import AttemptsFailed, Limit, Policy, Request, Rotor, StreamBroken
from rotor_core import _commands as c
from rotor_core._errors import ProviderError
from rotor_core._flow import stream
from rotor_core._ledger import AS_RESERVED, Refusal, Rejection
from rotor_core._outcome import Chunk, Failure, ToolCallDelta, Usage
from rotor_core.adapters.openai_stream import StreamReader
from rotor_core.adapters.wire import WireError
from rotor_core.sandbox import Sandbox
from rotor_core.stores.memory import MemoryStore

WHOLE = "The naïve 王 said: “Go on, 😀!” and so they went on, through the dark wood and over the hills, until the day was done."
PIECES = [WHOLE[n : n + 5] for n in range(0, len(WHOLE), 5)]
TOOLS = ({"type": "function", "function": {"name": "look", "parameters": {}}},)
END = Chunk(finish_reason="stop", usage=Usage(11, 7))
ONE_AT_A_TIME = Limit("concurrent", 1, None, "concurrency")


# ---- a stage: deployments that play what a test wrote, and callers of both kinds


def cut(kind="connection"):
    return failure(kind)


def chunks(text_pieces, *, at=None):
    """A stream of these pieces, whole or cut after `at` of them."""
    made = [Chunk(piece) for piece in text_pieces]
    return [*made, END] if at is None else [*made[:at], cut()]


def obeying(request):
    """A model that does as it is told: begins with the last words, and goes on from there."""
    asked = request.messages[-1]["content"]
    if "---" not in asked:
        return chunks([WHOLE[len(request.messages[-2]["content"]) :]]) if len(request.messages) > 1 else chunks(PIECES)
    last = asked.split("---")[1][1:-1]
    rest = WHOLE[len(request.messages[-2]["content"].rstrip()) - len(last) :]
    return chunks([rest[n : n + 3] for n in range(0, len(rest), 3)])


def exact(request):
    """A model that repeats nothing, against all advice."""
    return chunks([WHOLE[len(part(request)) :]])


def anew(request):
    """A model that begins again."""
    return chunks(PIECES)


def part(request):
    """What a request shows of an answer begun."""
    return request.messages[-2]["content"] if len(request.messages) > 1 else ""


@dataclass
class Adapter:
    """`plays`: by deployment, what each of its streams is in turn (the last one again): chunks, bytes, errors, or what makes them."""

    plays: dict[str, list[Any]]
    asked: list[tuple[str, Request]] = field(default_factory=list)
    open: int = 0

    def stream(self, deployment, request, *, timeouts):
        name = deployment.provider.name
        turn = sum(1 for other, _ in self.asked if other == name)
        self.asked.append((name, request))
        plays = self.plays[name]
        play = plays[min(turn, len(plays) - 1)]
        self.open += 1
        try:
            yield from self._playing(play(request) if callable(play) else play)
        finally:
            self.open -= 1

    async def astream(self, deployment, request, *, timeouts):
        with closing(self.stream(deployment, request, timeouts=timeouts)) as playing:
            for chunk in playing:
                await asyncio.sleep(0)
                yield chunk

    def _playing(self, play):
        if isinstance(play, bytes):
            yield from self._read(play)
            return
        for item in play:
            if isinstance(item, BaseException):
                raise item
            yield item

    def _read(self, sent):
        """As the adapter for this dialect does, of a connection that ends after these bytes."""
        reader = StreamReader()
        try:
            yield from reader.feed(sent)
            yield from reader.end()
        except WireError as error:
            raise ProviderError(str(error), Failure("connection", message=str(error))) from None

    def close(self):
        pass

    async def aclose(self):
        pass


class Store(MemoryStore):
    """Remembers how each reservation was settled."""

    def __init__(self):
        super().__init__()
        self.granted, self.settled = [], {}

    def reserve(self, ask):
        grant = super().reserve(ask)
        if hasattr(grant, "deployment"):
            self.granted.append(grant.id)
        return grant

    def settle(self, reservation_id, used, latency=None, told=()):
        assert reservation_id not in self.settled
        self.settled[reservation_id] = used
        return super().settle(reservation_id, used, latency, told)


@dataclass
class Saw:
    """What a caller saw of one stream, and what was heard of it."""

    chunks: list[Chunk] = field(default_factory=list)
    result: Any = None
    error: Any = None
    events: list[Any] = field(default_factory=list)
    asked: list[tuple[str, Request]] = field(default_factory=list)
    settled: list[Any] = field(default_factory=list)

    @property
    def text(self):
        return "".join(chunk.text for chunk in self.chunks)

    def of(self, name):
        return [event for event in self.events if event.name == name]


@pytest.fixture(params=["blocking", "asynchronous"])
def see(request):
    """Take a stream to its end, or `stop` chunks of it; whatever the end, everything is given back."""

    def seen(plays, mode="continue", asked="Go on.", stop=None, **policy):
        adapter, store, saw = Adapter(plays), Store(), Saw()
        seats = [deployment(name, limits=(ONE_AT_A_TIME,)) for name in plays]
        made = catalog(*seats, policy=Policy(stream_break=mode, **policy))
        rotor = Rotor.from_catalog(made, adapters={"made": adapter}, store=store, seed=1)
        rotor.on("*", saw.events.append)
        with rotor:
            if request.param == "blocking":
                _take(rotor, saw, asked, stop)
            else:
                asyncio.run(_atake(rotor, saw, asked, stop))
            flying = [
                x for d in rotor.status()["deployments"] for x in d["limits"] if x["unit"] == "concurrent" and x["used"]
            ]
        assert (flying, adapter.open) == ([], 0)
        assert sorted(store.granted) == sorted(store.settled)
        saw.asked, saw.settled = adapter.asked, list(store.settled.values())
        return saw

    return seen


def _take(rotor, saw, asked, stop):
    with rotor.stream(asked) as source:
        try:
            for chunk in source:
                saw.chunks.append(chunk)
                if len(saw.chunks) == stop:
                    return
            saw.result = source.result
        except (StreamBroken, AttemptsFailed) as error:
            saw.error = error


async def _atake(rotor, saw, asked, stop):
    async with aclosing(rotor.astream(asked)) as source:
        try:
            async for chunk in source:
                saw.chunks.append(chunk)
                if len(saw.chunks) == stop:
                    return
            saw.result = source.result
        except (StreamBroken, AttemptsFailed) as error:
            saw.error = error


# ---- cut between chunks


@pytest.mark.parametrize("mode", ["raise", "continue"])
@pytest.mark.parametrize("head", [[], [Chunk()], [Chunk(), Chunk()]])
def test_a_cut_before_the_first_content_is_invisible(see, mode, head):
    saw = see({"a": [[*head, cut()]], "b": [chunks(PIECES)]}, mode)

    assert (saw.error, saw.text, saw.result.continued) == (None, WHOLE, 0)
    assert [x.text for x in saw.chunks if x.text] == PIECES
    assert [a.deployment for a in saw.result.attempts] == ["a/m#1", "b/m#1"]
    assert saw.asked[0][1] is saw.asked[1][1]


@pytest.mark.parametrize("at", range(1, len(PIECES) + 1))
def test_a_cut_is_an_error_with_the_part_where_that_is_the_policy(see, at):
    saw = see({"a": [chunks(PIECES, at=at)], "b": [chunks(PIECES)]}, "raise")

    assert isinstance(saw.error, StreamBroken)
    assert saw.text == saw.error.partial == "".join(PIECES[:at])
    assert saw.error.failure.kind == "connection"
    assert [a.deployment for a in saw.error.attempts] == ["a/m#1"]
    assert f"{len(saw.text):,} characters" in str(saw.error)
    assert [name for name, _ in saw.asked] == ["a"]
    assert saw.settled == [AS_RESERVED]
    assert not any(chunk.finish_reason for chunk in saw.chunks)
    assert saw.of("rotated") == []


@pytest.mark.parametrize("model", [obeying, exact, anew])
@pytest.mark.parametrize("at", range(1, len(PIECES) + 1))
def test_or_another_one_goes_on_and_the_text_is_whole(see, at, model):
    saw = see({"a": [chunks(PIECES, at=at)], "b": [model]})

    assert saw.error is None
    assert saw.text == WHOLE
    assert [chunk.finish_reason for chunk in saw.chunks if chunk.finish_reason] == ["stop"]
    assert part(saw.asked[1][1]) == "".join(PIECES[:at])


@pytest.mark.parametrize("kind", ["connection", "timeout", "server_error", "overloaded", "unknown", "rate_limit"])
def test_what_is_known_of_a_continued_answer(see, kind):
    saw = see({"a": [[*map(Chunk, PIECES[:9]), cut(kind)]], "b": [obeying]})

    assert saw.text == WHOLE
    result, (broke, answered) = saw.result, saw.result.attempts
    assert (result.deployment.id, result.continued, result.usage) == ("b/m#1", 1, Usage(11, 7))
    assert (broke.deployment, broke.failure.kind, broke.number) == ("a/m#1", kind, 1)
    assert (answered.deployment, answered.failure, answered.number) == ("b/m#1", None, 2)
    (rotated,) = saw.of("rotated")
    assert (rotated.previous, rotated.deployment, rotated.attempt) == ("a/m#1", "b/m#1", 2)
    assert kind in rotated.reason
    assert [event.failure.kind for event in saw.of("failed")] == [kind]
    assert [event.deployment for event in saw.of("answered")] == ["b/m#1"]
    assert len(saw.settled) == 2


def test_what_the_other_one_is_asked(see):
    asked = Request(
        [{"role": "user", "content": "Go on."}], TOOLS, params={"max_tokens": 200, "stop": ["###"]}, source=object()
    )

    saw = see({"a": [chunks(PIECES, at=9)], "b": [obeying]}, asked=asked)

    first, second = (request for _, request in saw.asked)
    assert first is asked
    assert second.messages[0] == asked.messages[0]
    assert [m["role"] for m in second.messages] == ["user", "assistant", "user"]
    assert 0 < second.params["max_tokens"] < 200
    assert (second.params["stop"], second.tools, second.source) == (["###"], TOOLS, None)


# ---- cut anywhere


def sent(*deltas, finish="stop"):
    """The bytes of a stream, its characters as they are and not escaped."""
    rows = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    rows.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return "".join(f"data: {json.dumps(row, ensure_ascii=False)}\n\n" for row in rows).encode() + b"data: [DONE]\n\n"


SAID = "王“: 😀 naïve"
TEXT_BYTES = sent({"role": "assistant", "content": ""}, {"content": SAID[:3]}, {"content": SAID[3:]})


def rest_of_said(request):
    return chunks([SAID[len(part(request)) :]])


def test_a_cut_at_any_byte_shows_no_half_character_and_nothing_twice(see):
    broke = set()
    for at in range(len(TEXT_BYTES)):
        saw = see({"a": [TEXT_BYTES[:at]], "b": [rest_of_said]}, "raise")
        if saw.error is None:
            assert (at, saw.text) == (at, SAID)
        else:
            assert (at, saw.error.partial) == (at, saw.text)
            broke.add(saw.text)
        saw = see({"a": [TEXT_BYTES[:at]], "b": [rest_of_said]})
        assert (at, saw.error, saw.text) == (at, None, SAID)
    assert broke == {SAID[:3], SAID}


def test_a_cut_within_a_character_is_a_cut_of_its_whole_chunk(see):
    at = TEXT_BYTES.index("😀".encode()) + 2

    saw = see({"a": [TEXT_BYTES[:at]], "b": [rest_of_said]}, "raise")

    assert saw.error.partial == saw.text == SAID[:3]


CALL_BYTES = sent(
    {"role": "assistant", "content": ""},
    {"content": "Let me look."},
    {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "look", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"where": "im '}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": 'Wald 王"}'}}]},
    finish="tool_calls",
)
LOOK = [Chunk("Let me look."), Chunk(tool_calls=(ToolCallDelta(0, "2", "look", '{"where": "here"}'),))]
CALLED = [*LOOK, Chunk(finish_reason="tool_calls", usage=Usage(11, 7))]


@pytest.mark.parametrize("mode", ["raise", "continue"])
def test_a_cut_in_a_tool_calls_arguments_is_never_a_call(see, mode):
    asked = Request([{"role": "user", "content": "Go on."}], TOOLS)
    whole, other, broke = '{"where": "im Wald 王"}', '{"where": "here"}', set()
    for at in range(len(CALL_BYTES)):
        saw = see({"a": [CALL_BYTES[:at]], "b": [CALLED]}, mode, asked)

        arguments = "".join(delta.arguments for chunk in saw.chunks for delta in chunk.tool_calls)
        ids = {delta.id for chunk in saw.chunks for delta in chunk.tool_calls if delta.id}
        if saw.error is None:
            assert (at, saw.text) == (at, "Let me look.")
            assert (at, ids, arguments) in ((at, {"1"}, whole), (at, {"2"}, other))
        else:
            assert (at, saw.error.partial) == (at, "Let me look.") == (at, saw.text)
            assert whole.startswith(arguments)
            assert "2" not in ids
            assert not any(chunk.finish_reason for chunk in saw.chunks)
            assert mode == "raise" or "a tool call had begun" in str(saw.error)
            broke.add(arguments)
    assert broke == {"", '{"where": "im ', whole}


@pytest.fixture(scope="module")
def box():
    """Two imitated providers over real connections."""
    models = {"m": {"output": [60, 60]}}
    with Sandbox(
        {"providers": {"one": {"keys": ["k1"], "models": models}, "two": {"keys": ["k2"], "models": models}}}
    ) as box:
        yield box


@pytest.mark.parametrize("kind", ["cut", "early_end", "stream_error", "reset"])
@pytest.mark.parametrize("after", [3, 10])
@pytest.mark.parametrize("mode", ["raise", "continue"])
def test_over_real_connections_too(box, kind, after, mode):
    box.reset()
    box.fault(kind, after=after, times=1)
    saw = Saw()
    with Rotor.from_config({**box.config(), "policy": {"stream_break": mode}}) as rotor:
        _take(rotor, saw, "Tell me.", None)

    if saw.error is not None:
        assert mode == "raise"
        assert saw.error.partial == saw.text != ""
    else:  # a reset may overtake what was sent before it, and is then one before the first content
        assert len({attempt.deployment for attempt in saw.result.attempts}) == 2
        assert (mode, saw.result.continued) == ("continue", 1) or (kind, saw.result.continued) == ("reset", 0)


# ---- what cannot be continued


@pytest.mark.parametrize(
    ("play", "asked", "why"),
    [
        ([Chunk("Hm."), Chunk(tool_calls=(ToolCallDelta(0, "1", "look"),))], Request([]), "a tool call had begun"),
        ([Chunk("Hm.", native=object())], Request([]), "objects of the model's own kind"),
        ([Chunk('{"a"')], Request([], response_format={"type": "json_object"}), "a prescribed form"),
        ([Chunk("Hm.")], Request([], params={"n": 2}), "several answers"),
        ([Chunk("Hm.")], Request([], params={"logprobs": True}), "probabilities"),
        ([Chunk("Hm.", finish_reason="stop")], Request([]), "complete"),
        ([Chunk("<think>Hm.")], Request([]), "thinking"),
    ],
)
def test_what_is_not_plain_text_is_an_error_that_says_so(see, play, asked, why):
    saw = see({"a": [[*play, cut()]], "b": [chunks(PIECES)]}, asked=asked)

    assert isinstance(saw.error, StreamBroken)
    assert why in str(saw.error)
    assert saw.error.partial == saw.text
    assert [name for name, _ in saw.asked] == ["a"]


@pytest.mark.parametrize("kind", ["content_filter", "bad_request"])
def test_what_no_provider_can_help_is_not_continued(see, kind):
    saw = see({"a": [[Chunk("Hm."), cut(kind)]], "b": [chunks(PIECES)]})

    assert (saw.error.partial, saw.error.failure.kind) == ("Hm.", kind)
    assert [name for name, _ in saw.asked] == ["a"]


def test_where_only_thoughts_were_seen_the_answer_is_asked_for_anew(see):
    asked = Request([{"role": "user", "content": "Go on."}], response_format={"type": "json_object"})
    second = [Chunk(reasoning="Well ..."), *chunks(PIECES)]

    saw = see({"a": [[Chunk(reasoning="Hm"), cut()]], "b": [second]}, asked=asked)

    assert saw.text == WHOLE
    assert "".join(chunk.reasoning for chunk in saw.chunks) == "Hm"
    assert saw.asked[1][1].messages == asked.messages


def test_where_only_thoughts_were_seen_it_is_an_error_where_that_is_the_policy(see):
    saw = see({"a": [[Chunk(reasoning="Hm"), cut()]], "b": [chunks(PIECES)]}, "raise")

    assert isinstance(saw.error, StreamBroken)
    assert saw.error.partial == ""


# ---- continuations that fail in their turn


@pytest.mark.parametrize("first", range(1, len(PIECES), 4))
@pytest.mark.parametrize("then", [1, 2, 7])
def test_a_continuation_that_breaks_too_is_continued(see, first, then):
    def breaks(request):
        return [*obeying(request)[:then], cut("timeout")]

    saw = see({"a": [chunks(PIECES, at=first)], "b": [breaks], "c": [obeying]})

    assert saw.error is None
    assert saw.text == WHOLE
    assert [a.failure.kind if a.failure else None for a in saw.result.attempts] == ["connection", "timeout", None]
    assert [e.deployment for e in saw.of("rotated")] == ["b/m#1", "c/m#1"]
    assert WHOLE.startswith(part(saw.asked[2][1]))
    assert len(part(saw.asked[2][1])) >= len(part(saw.asked[1][1]))
    assert len(saw.settled) == 3


def test_a_continuation_that_fails_before_its_first_word_is_none(see):
    saw = see({"a": [chunks(PIECES, at=9)], "b": [[cut("server_error")]], "c": [obeying]})

    assert (saw.text, saw.error) == (WHOLE, None)
    assert part(saw.asked[2][1]) == part(saw.asked[1][1])
    assert saw.result.continued == 1


def test_when_the_attempts_are_used_up_the_part_is_all_that_was_seen(see):
    def breaks(request):
        return [*obeying(request)[:-4], cut("timeout")]

    saw = see({"a": [chunks(PIECES, at=9)], "b": [breaks], "c": [obeying]}, max_attempts=2)

    assert isinstance(saw.error, StreamBroken)
    assert "".join(PIECES[:9]) < saw.text == saw.error.partial < WHOLE
    assert [a.deployment for a in saw.error.attempts] == ["a/m#1", "b/m#1"]
    assert saw.error.failure.kind == "timeout"
    assert not any(chunk.finish_reason for chunk in saw.chunks)
    assert len(saw.settled) == 2


def test_one_that_begins_again_and_says_something_else_is_not_joined(see):
    long = " ".join(f"This is the sentence number {n}." for n in range(40))
    other = long[:600] + " And now for something completely different."

    saw = see({"a": [[Chunk(long[:1000]), cut()]], "b": [chunks([other[:300], other[300:]])]}, max_attempts=2)

    assert isinstance(saw.error, StreamBroken)
    assert saw.text == saw.error.partial == long[:1000]
    assert [a.deployment for a in saw.error.attempts] == ["a/m#1", "b/m#1"]


def test_what_was_held_back_at_the_end_is_given_though_the_stream_does_not_say_that_it_ends(see):
    saw = see({"a": [[Chunk("Hello wor"), cut()]], "b": [[Chunk("Hel")]]})

    assert saw.text == "Hello worHel"
    assert saw.result.continued == 1


def test_the_caller_may_leave_amid_a_continuation(see):
    saw = see({"a": [chunks(PIECES, at=3)], "b": [exact]}, stop=4)

    assert saw.text == WHOLE
    assert saw.settled == [AS_RESERVED, AS_RESERVED]


def test_where_nobody_else_has_room_it_is_an_error_with_the_part_and_when_there_is():
    opened = c.Opened((Chunk("Hm"),), iter([]))

    def breaks(command):
        command.observe(opened.head[0])
        raise cut()

    nobody = Refusal(100.0, 160.0, {"b/m#1": Rejection("no_room", "no room for 30 tokens", 160.0)})
    script = Script({c.Reserve: [reservation(), *[nobody] * 5], c.Open: opened, c.Relay: breaks})

    with pytest.raises(StreamBroken, match="nobody could go on with it.*no room for 30 tokens") as caught:
        script.play(stream(work(deployment(), deployment("b"), stream_break="continue"), Request([])))

    assert caught.value.partial == "Hm"
    assert caught.value.failure.kind == "connection"
    assert [a.deployment for a in caught.value.attempts] == ["a/m#1"]


def test_where_there_is_no_other_the_same_one_goes_on_after_a_moment():
    broke, ends = c.Opened((Chunk("Hello wor"),), iter([])), c.Opened((Chunk("Hello world"), END), iter([]))
    given = []

    def relay(command):
        given.extend(command.observe(chunk).text for chunk in command.opened.head)
        if command.opened is broke:
            raise cut()
        return 0.0

    def reserve(command):
        if command.ask.exclude:
            return Refusal(script.at, 160.0, {"a/m#1": Rejection("excluded", "it has just failed")})
        return reservation(number=len(script.of(c.Reserve)), at=script.at, asked_at=script.at)

    script = Script({c.Reserve: reserve, c.Open: [broke, ends], c.Relay: relay})
    result = script.play(stream(work(deployment(), stream_break="continue"), Request([])))

    assert "".join(given) == "Hello world"
    assert [a.deployment for a in result.attempts] == ["a/m#1", "a/m#1"]
    assert result.continued == 1
    assert script.at == pytest.approx(100.5)


@pytest.mark.parametrize("ends", [[END], [Chunk("Hello wor"), END]])
def test_one_that_finds_nothing_missing_has_ended_the_answer(see, ends):
    saw = see({"a": [[Chunk("Hello wor"), cut()]], "b": [ends]})

    assert (saw.text, saw.chunks[-1].finish_reason) == ("Hello wor", "stop")
    assert (saw.result.deployment.id, saw.result.continued) == ("b/m#1", 1)
