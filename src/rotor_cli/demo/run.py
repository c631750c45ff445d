"""The demo itself: a LangChain chain asked by many at once, the providers in a process of their own, a clock.

Nothing of the user's takes part: no configuration, no key, no store, no tracing service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langsmith import tracing_context  # pyright: ignore[reportUnknownVariableType]  its own types are partial

from rotor_cli.demo.account import Account
from rotor_cli.demo.board import Board
from rotor_cli.demo.load import Question
from rotor_core import Rotor
from rotor_core.catalog.load import load
from rotor_core.plugins import installed
from rotor_langchain import ChatRotor

SYSTEM: Final = "You answer in two or three sentences, for {audience}."


@dataclass(slots=True)
class Scene:
    """All there is to see while the demo runs. `elapsed` and `lasts` in seconds; `refused`: 429s so far, at the providers."""

    rotor: Rotor
    lasts: float
    rate: float
    account: Account = field(default_factory=Account)
    board: Board = field(default_factory=Board)
    begun: float = field(default_factory=monotonic)
    refused: int = 0

    @property
    def elapsed(self) -> float:
        return monotonic() - self.begun


@dataclass(frozen=True, slots=True)
class Audience:
    """Who looks at a scene, each `every` seconds. `picture` is taken on the event loop, quickly; `show` may take its time.

    Drawing takes long enough to make a request late, so it is done in a thread, from a picture that no longer moves.
    """

    every: float
    picture: Callable[[Scene], Any]
    show: Callable[[Any], None]


def engine(config: Mapping[str, Any], seed: int) -> Rotor:
    """An engine over the sandbox, deaf to the environment: no other store, no other base URL, no key from there."""
    plugins = installed()
    catalog = load(
        config,
        environ={},
        specs=plugins.providers,
        rankings=plugins.rankings,
        schemes=plugins.stores,
    )
    return Rotor.from_catalog(catalog, plugins=plugins, seed=seed)


def chain_over(rotor: Rotor) -> Any:
    """What a LangChain user would write."""
    prompt = ChatPromptTemplate.from_messages([("system", SYSTEM), ("human", "{question}")])
    return prompt | ChatRotor(rotor=rotor) | StrOutputParser()


async def play(scene: Scene, load_: Sequence[Question], refusals: Callable[[], int], audience: Audience) -> None:
    """Ask every question at its instant and wait for all answers. Cancelled, it keeps what there is, and ends.

    `refusals` reads the count of 429s at the providers.
    """
    rotor, account = scene.rotor, scene.account
    hear = (rotor.on("*", account.hear), rotor.on("*", scene.board.hear))
    asking: list[asyncio.Task[None]] = []
    watching = asyncio.create_task(_watch(scene, refusals, audience))
    try:
        with tracing_context(enabled=False):
            await _offer(scene, load_, asking)
        await asyncio.gather(*asking)
    finally:
        await _cancelled([*asking, watching])
        for off in hear:
            off()
        await rotor.aclose()


async def _offer(scene: Scene, load_: Sequence[Question], asking: list[asyncio.Task[None]]) -> None:
    chain = chain_over(scene.rotor)
    scene.begun = monotonic()
    for question in load_:
        await asyncio.sleep(question.at - scene.elapsed)
        scene.account.offered += 1
        asking.append(asyncio.create_task(_ask(chain, question, scene.account)))
    await asyncio.sleep(scene.lasts - scene.elapsed)


async def _ask(chain: Any, question: Question, account: Account) -> None:
    """One caller: an answer, or what it was told instead."""
    started = monotonic()
    try:
        text = await chain.ainvoke({"question": question.text, "audience": question.audience})
    except Exception as error:  # noqa: BLE001  a caller that is disappointed is counted, whatever disappointed it
        account.errors.append(f"{type(error).__name__}: {error}")
        return
    if text:
        account.seconds.append(monotonic() - started)
    else:
        account.errors.append("an empty answer")


async def _watch(scene: Scene, refusals: Callable[[], int], audience: Audience) -> None:
    while True:
        await asyncio.sleep(audience.every)
        scene.refused = await asyncio.to_thread(refusals)
        await asyncio.to_thread(audience.show, audience.picture(scene))


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    every = list(tasks)
    for task in every:
        task.cancel()
    await asyncio.gather(*every, return_exceptions=True)
