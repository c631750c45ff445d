"""A budget under many calls at once: what is spent stays within it, and who is refused is told until when.

Every wave lets all its calls decide before the first of them is settled, which is the worst that concurrency can do.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from tests.kernel.made import answer, catalog, deployment
from tests.stores.made import Hands

from rotor_core import NoCandidates, Policy, Price, Request, Rotor, Usage
from rotor_core._model import Budget
from rotor_core._policy.budgets import bound, general
from rotor_core._prepare import Options, prepare
from rotor_core.stores.memory import MemoryStore

CALLS = 200
BUDGET = 0.01
MIDNIGHT = 1_700_006_400.0
"""The midnight, UTC, after the clock of these tests (2023-11-15)."""
NOON = MIDNIGHT - 9000
PRICE = Price(0.1, 0.4)
REQUEST = [{"role": "user", "content": "tell me about rates " * 4}]


class Wave:
    """Holds calls back until all have decided: are here, or were refused."""

    def __init__(self, size: int) -> None:
        self.size, self.decided = size, 0
        self._lock, self.all = threading.Lock(), threading.Event()
        self.here: list[asyncio.Future[None]] = []

    def one_more(self) -> None:
        with self._lock:
            self.decided += 1
            if self.decided < self.size:
                return
        self.all.set()
        for future in self.here:
            if not future.done():
                future.set_result(None)


class Shop:
    """An adapter that keeps the till. `lengths`: of answers, in tokens, cut at `max_tokens`."""

    def __init__(self, lengths: Any) -> None:
        self.lengths, self.wave, self.costs, self._lock = lengths, Wave(1), list[float](), threading.Lock()

    @property
    def spent(self) -> float:
        return sum(self.costs)

    def _sell(self, request: Request) -> Any:
        with self._lock:
            most = request.params.get("max_tokens") or 10**9
            usage = Usage(20, min(most, self.lengths()))
            self.costs.append(PRICE.cost(usage.input_tokens, usage.output_tokens))
        return answer(usage=usage)

    def call(self, deployment: Any, request: Request, *, timeout: float) -> Any:
        wave = self.wave
        wave.one_more()
        assert wave.all.wait(60)
        return self._sell(request)

    async def acall(self, deployment: Any, request: Request, *, timeout: float) -> Any:
        here = asyncio.get_running_loop().create_future()
        self.wave.here.append(here)
        self.wave.one_more()
        if not self.wave.all.is_set():
            await here
        return self._sell(request)

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


def log_normal(seed: int, middle: float = 5.0) -> Any:
    rng = Random(seed)
    return lambda: int(rng.lognormvariate(middle, 0.8)) + 1


def engine(shop: Shop, *budgets: Budget, max_output: int | None = None, **more: Any) -> Rotor:
    """One deployment that costs money, under budgets; nobody waits."""
    made = deployment(price=PRICE, limits=(), context=None)
    limits = tuple(bound(budget) for budget in general(budgets))
    made = replace(made, limits=limits, model=replace(made.model, max_output=max_output))
    policy = Policy(budgets=budgets, max_wait=0, **more)
    return Rotor.from_catalog(
        catalog(made, policy=policy), adapters={"made": shop}, store=MemoryStore(clock=Hands(NOON))
    )


def ask(rotor: Rotor, shop: Shop, params: dict[str, Any], **options: Any) -> NoCandidates | None:
    try:
        rotor.chat(Request(REQUEST, params=params), **options)
    except NoCandidates as refused:
        shop.wave.one_more()
        return refused
    return None


async def aask(rotor: Rotor, shop: Shop, params: dict[str, Any]) -> NoCandidates | None:
    try:
        await rotor.achat(Request(REQUEST, params=params))
    except NoCandidates as refused:
        shop.wave.one_more()
        return refused
    return None


def one_by_one(rotor: Rotor, shop: Shop, params: dict[str, Any]) -> list[NoCandidates | None]:
    """A last wave, of single calls, until there is a refusal: what is left of the budget is used."""
    said: list[NoCandidates | None] = []
    while not said or said[-1] is None:
        shop.wave = Wave(1)
        said.append(ask(rotor, shop, params))
    return said


def in_threads(rotor: Rotor, shop: Shop, params: dict[str, Any]) -> list[NoCandidates | None]:
    with ThreadPoolExecutor(CALLS) as pool:
        return list(pool.map(lambda _: ask(rotor, shop, params), range(CALLS)))


def in_tasks(rotor: Rotor, shop: Shop, params: dict[str, Any]) -> list[NoCandidates | None]:
    async def all_of_them() -> list[NoCandidates | None]:
        return await asyncio.gather(*(aask(rotor, shop, params) for _ in range(CALLS)))

    return asyncio.run(all_of_them())


def spend_it_all(rotor: Rotor, shop: Shop, params: dict[str, Any], wave: Any) -> list[NoCandidates]:
    """Waves of calls at once until a whole wave is refused; the refusals."""
    refusals: list[NoCandidates] = []
    while True:
        shop.wave = Wave(CALLS)
        said = wave(rotor, shop, params)
        refusals += [refused for refused in said if refused is not None]
        if all(said):
            return refusals


WAYS = pytest.mark.parametrize("wave", [in_threads, in_tasks])


@WAYS
@pytest.mark.parametrize("most", [60, 400, 2000])
def test_with_max_tokens_not_a_cent_more_than_the_budget_is_spent(wave, most):
    shop = Shop(log_normal(1))
    rotor = engine(shop, Budget(BUDGET))

    refusals = spend_it_all(rotor, shop, {"max_tokens": most}, wave)

    assert shop.spent <= BUDGET
    assert len(refusals) >= CALLS
    one_by_one(rotor, shop, {"max_tokens": most})
    assert 0.9 * BUDGET <= shop.spent <= BUDGET


@WAYS
@pytest.mark.parametrize("max_output", [None, 1000, 100_000])
def test_without_max_tokens_no_more_than_one_call_beyond_the_budget_is_spent(wave, max_output):
    shop = Shop(log_normal(2))
    rotor = engine(shop, Budget(BUDGET), max_output=max_output)

    spend_it_all(rotor, shop, {}, wave)

    assert 0.5 * BUDGET <= shop.spent <= BUDGET + max(shop.costs)
    one_by_one(rotor, shop, {})
    assert 0.9 * BUDGET <= shop.spent <= BUDGET + max(shop.costs)


@WAYS
def test_answers_that_become_much_longer_than_they_were_do_not_break_the_budget(wave):
    lengths = iter([20] * 60 + [900] * 10_000)
    shop = Shop(lambda: next(lengths))
    rotor = engine(shop, Budget(BUDGET), max_output=1000)

    spend_it_all(rotor, shop, {}, wave)

    assert shop.spent <= BUDGET + max(shop.costs)


def test_a_refusal_names_the_budget_and_the_instant_at_which_it_renews():
    shop = Shop(lambda: 1000)
    rotor = engine(shop, Budget(0.0005, caller="each"))
    assert ask(rotor, shop, {"max_tokens": 1000}, caller="team-a") is None

    refused = ask(rotor, shop, {"max_tokens": 1000}, caller="team-a")

    assert refused is not None
    assert refused.retry_at == pytest.approx(MIDNIGHT, abs=1)
    assert refused.retry_after == pytest.approx(9000, abs=1)
    assert "left of the budget of caller team-a, $0.0005 per day" in str(refused)
    assert "renews at 2023-11-15 00:00:00 UTC" in str(refused)


def test_a_budget_renews_with_its_period():
    hands, shop = Hands(NOON), Shop(lambda: 1000)
    made = deployment(price=PRICE, limits=())
    made = replace(made, limits=(bound(Budget(0.0005)),))
    policy = Policy(budgets=(Budget(0.0005),), max_wait=0)
    store = MemoryStore(clock=hands)
    rotor = Rotor.from_catalog(catalog(made, policy=policy), adapters={"made": shop}, store=store)
    params = {"max_tokens": 900}
    assert ask(rotor, shop, params) is None
    assert ask(rotor, shop, params) is not None

    hands.at = MIDNIGHT + 1

    assert ask(rotor, shop, params) is None


def test_callers_spend_apart_and_those_without_a_name_together():
    shop = Shop(lambda: 1000)
    rotor = engine(shop, Budget(0.0005, caller="each"))
    params = {"max_tokens": 1000}

    asked = [ask(rotor, shop, params, **({"caller": name} if name else {})) for name in ("a", "b", None, "a", None, "")]

    assert [refused is None for refused in asked] == [True, True, True, False, False, False]


def test_a_request_that_the_budget_could_never_pay_is_told_so():
    shop = Shop(lambda: 10)
    rotor = engine(shop, Budget(0.00001))

    refused = ask(rotor, shop, {"max_tokens": 1000})

    assert refused is not None
    assert refused.retry_at is None
    assert "needs $0.0004027; the limit is the budget, $0.00001 per day" in str(refused)


def test_what_fails_before_it_is_counted_costs_nothing():
    class Broken(Shop):
        def call(self, deployment: Any, request: Request, *, timeout: float) -> Any:
            if not self.costs:
                self.costs.append(0.0)
                from tests.kernel.made import failure  # noqa: PLC0415  one use

                raise failure("server_error", request_sent=False)
            return super().call(deployment, request, timeout=timeout)

    shop = Broken(lambda: 1000)
    rotor = engine(shop, Budget(0.0005), max_attempts=1)
    with pytest.raises(Exception, match="it said"):
        rotor.chat(Request(REQUEST, params={"max_tokens": 1000}))
    (row,) = rotor.status()["deployments"]
    assert row["limits"][0]["used"] + row["limits"][0]["reserved"] == 0


# -- what a request says of its answer's length


def test_a_request_comes_with_what_is_expected_of_each_model_of_its_plan():
    shop = Shop(lambda: 100)
    rotor = engine(shop, max_output=1000)
    for _ in range(12):
        shop.wave = Wave(1)
        rotor.chat(Request(REQUEST), task="write")

    live = rotor._live
    work = prepare("r", Request(REQUEST), Options(task="write"), live.catalog, live.planner, live.calibration)

    assert work.demand.task == "write"
    expected = work.demand.outputs["m"]
    assert (expected.likely, expected.most, expected.bound) == (100, 125, 1000)
    assert expected.scale < 1.2
