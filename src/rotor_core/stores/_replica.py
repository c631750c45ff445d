"""A book as others may have it too: what was done, written so that JSON can carry it, and done again elsewhere.

An effect is `(name, *arguments)` and says what was done to meters, slots, rests and the queue, never why: whoever applies
it does not decide anything. Books that apply the same effects in the same order hold the same state, up to what each of
them merges and pours of its past when it looks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from rotor_core._demand import Demand
from rotor_core._ledger import LimitRecord, Reservation
from rotor_core._model import Limit, Price
from rotor_core.stores._handing import keep, unhold
from rotor_core.stores._kin import merge
from rotor_core.stores._meters import Gate, Meter, Rest
from rotor_core.stores._open import Open

if TYPE_CHECKING:
    from rotor_core.stores._book import Book

Effect = tuple[Any, ...]

# --- writing ---------------------------------------------------------------------------------------------------------


def written(effect: Effect) -> Effect:
    """An effect in values that JSON can carry."""
    return (effect[0], *(_written(argument) for argument in effect[1:]))


def _written(value: Any) -> Any:
    match value:
        case Limit():
            return [value.unit, value.value, value.per, value.window, value.tz, value.counts, value.source]
        case LimitRecord():
            declared = None if value.declared is None else _written(value.declared)
            return [
                value.key, _written(value.limit), declared, value.seen_at, value.expires_at, value.confidence,
                value.evidence, value.raise_at, value.step,
            ]  # fmt: skip
        case Open():
            return _written_open(value)
        case _:
            return value


def _written_open(known: Open) -> list[Any]:
    r, d = known.reservation, known.reservation.demand
    price = None if known.price is None else [known.price.input, known.price.output, known.price.cached]
    return [
        r.id, r.deployment, r.asked_at, r.expires_at, known.subject, price,
        [d.input_tokens, d.output_tokens, d.max_tokens, d.requests, d.audio_seconds, d.task, d.answers],
        [meter.key for meter in known.meters], [gate.key for gate in known.gates], list(known.scopes),
    ]  # fmt: skip


def _limit(data: Any) -> Limit:
    return Limit(*data)


def _record(data: Any) -> LimitRecord:
    key, limit, declared, *more = data
    return LimitRecord(key, _limit(limit), None if declared is None else _limit(declared), *more)


def _open(book: Book, data: Any, at: float) -> Open | None:
    """A reservation as another process wrote it; None where one of its limits is no longer kept."""
    ident, deployment, asked_at, expires_at, subject, price, demand, meters, gates, scopes = data
    shelf = book.shelf
    if not all(key in shelf.meters for key in meters) or not all(key in shelf.gates for key in gates):
        return None
    reservation = Reservation(ident, deployment, at, asked_at, expires_at, Demand(*demand))
    known = Open(
        reservation,
        subject,
        None if price is None else Price(*price),
        tuple(shelf.meters[key] for key in meters),
        tuple(shelf.gates[key] for key in gates),
    )
    known.scopes = tuple(scopes)
    return known


# --- doing again -----------------------------------------------------------------------------------------------------


def apply(book: Book, effect: Effect) -> None:
    """Do what another process did. What concerns something unknown here (a store of another time) is let be."""
    name, *arguments = effect
    shared, book.shared = book.shared, False  # it is written down already
    try:
        _APPLIED[name](book, *arguments)
    finally:
        book.shared = shared


def _meter(book: Book, key: str, limit: Any, now: float) -> None:
    meter = book.shelf.meters.get(key)
    if meter is None:
        book.shelf.make(key, _limit(limit), now)
    else:
        book.shelf.declare(meter, _limit(limit), now)


def _gate(book: Book, key: str, limit: Any) -> None:
    gate = book.shelf.gates.get(key)
    if gate is None:
        book.shelf.gates[key] = Gate(key, _limit(limit))
    else:
        gate.change_to(_limit(limit))


def _take(book: Book, data: Any, now: float, at: float, amounts: list[float]) -> None:
    known = _open(book, data, at)
    if known is not None:
        book.put(known, now, at, list(amounts))


def _end(book: Book, ident: str, now: float, actual: list[float] | None, latency: float | None) -> None:
    if ident in book.open:
        book.end(ident, now, actual, latency)


def _known(then: Callable[..., None]) -> Callable[..., None]:
    """Only where the reservation is known."""

    def applied(book: Book, ident: str, *arguments: Any) -> None:
        known = book.open.get(ident)
        if known is not None:
            then(book, known, *arguments)

    return applied


def _move(book: Book, known: Open, now: float) -> None:
    known.move(now)
    book.coming.pop(known.reservation.id, None)


def _arrive(book: Book, known: Open, now: float) -> None:
    known.arrive(now)
    book.coming.pop(known.reservation.id, None)


def _shift(_: Book, known: Open, now: float, at: float) -> None:
    known.lift(now)
    known.put_back(now, at)
    known.moved += 1


def _corrected(book: Book, key: str, more: float) -> None:
    meter = book.shelf.meters.get(key)
    if meter is not None:
        meter.corrected += more


def _wait(
    book: Book,
    ident: str,
    gates: list[str],
    priority: int,
    requests: int,
    asked_at: float,
    give_up_at: float,
    address: str,
) -> None:
    waiter = book.queue.add(ident, None, asked_at, give_up_at, priority)
    waiter.gates, waiter.requests, waiter.address = frozenset(gates), requests, address


def _keep(book: Book, ident: str, gate_key: str, until: float) -> None:
    waiter, gate = book.queue.get(ident), book.shelf.gates.get(gate_key)
    if waiter is not None and gate is not None:
        keep(book, waiter, gate, until)
        book.queue.served(waiter)
        if waiter.called is not None:
            book.called.append(waiter.called)


def _unhold(book: Book, ident: str, missed: bool) -> None:  # noqa: FBT001  as it stands in the journal
    waiter = book.queue.get(ident)
    if waiter is not None:
        unhold(book, waiter, missed=missed)


def _hold(book: Book, subject: str, record: Any, past: Any, now: float) -> None:
    book.shelf.hold(subject, _record(record), tuple((at, amount) for at, amount in past), now)


def _on_shelf(method: str) -> Callable[..., None]:
    """The shelf's method of that name."""

    def applied(book: Book, *arguments: Any) -> None:
        getattr(book.shelf, method)(*arguments)

    return applied


def _on_book(method: str) -> Callable[..., None]:
    """The book's own method of that name."""

    def applied(book: Book, *arguments: Any) -> None:
        getattr(book, method)(*arguments)

    return applied


_APPLIED: Final[dict[str, Callable[..., None]]] = {
    "meter": _meter,
    "gate": _gate,
    "take": _take,
    "end": _end,
    "move": _known(_move),
    "arrive": _known(_arrive),
    "shift": _known(_shift),
    "corrected": _corrected,
    "woke": _on_shelf("woke"),
    "rest": _on_shelf("rest"),
    "unrest": _on_shelf("unrest"),
    "empty": _on_book("empty"),
    "forgo": _on_book("forgo"),
    "wait": _wait,
    "leave": _on_book("leave"),
    "keep": _keep,
    "unhold": _unhold,
    "hold": _hold,
    "drop": _on_shelf("drop"),
    "block": _on_shelf("block"),
    "merge": merge,
}

# --- the whole -------------------------------------------------------------------------------------------------------


def dump(book: Book) -> dict[str, Any]:
    """Everything that another process needs to go on from here."""
    shelf = book.shelf
    return {
        "meters": [
            [_written(m.record), m.window.dump(), m.flying, m.coming, m.corrected] for m in shelf.meters.values()
        ],
        "gates": [[g.key, _written(g.limit), g.slots.dump()] for g in shelf.gates.values()],
        "rests": [[r.scope, r.until, r.reason, r.told] for r in shelf.rests.values()],
        "stats": [[name, s.served, s.latency] for name, s in shelf.stats.items() if s.served],
        "stands": shelf.stands,
        "learned": {subject: keys for subject, keys in shelf.learned.items() if keys},
        "open": [
            [_written_open(k), k.reservation.at, k.at, k.since, k.due, k.moved, k.amounts, k.marks, k.taken, k.corrected]
            for k in book.open.values()
        ],
        "queue": [
            [w.id, sorted(w.gates), w.priority, w.requests, w.asked_at, w.give_up_at, w.address, w.passed, w.held, w.held_until, w.missed]
            for w in sorted(book.queue, key=lambda w: w.number)
        ],
    }  # fmt: skip


def load(book: Book, data: Any, now: float = 0.0) -> None:
    """See `Book.load`."""
    mine = {waiter.id: waiter for waiter in book.queue if waiter.ask is not None}
    shared, book.shared = book.shared, False  # what is read was written by somebody already
    book.clear()
    shelf = book.shelf
    for record, window, flying, coming, corrected in data["meters"]:
        meter = Meter(_record(record), book.guards, now)
        meter.window.load(window)
        meter.flying, meter.coming, meter.corrected = flying, coming, corrected
        shelf.meters[meter.key] = meter
        shelf.expires(meter.record)
    for key, limit, slots in data["gates"]:
        gate = shelf.gates[key] = Gate(key, _limit(limit))
        gate.slots.load(slots)
    for scope, until, reason, told in data["rests"]:
        rest = shelf.rests[scope] = Rest(scope, until, reason)
        rest.told = told
    for name, served, latency in data["stats"]:
        stats = shelf.stats_of(name)
        stats.served, stats.latency = served, latency
    shelf.stands.update(data.get("stands", {}))
    shelf.learned.update({subject: list(keys) for subject, keys in data["learned"].items()})
    for row in data["open"]:
        _load_open(book, row)
    for row in data["queue"]:
        _load_waiter(book, row, mine)
    book.shared = shared


def _load_open(book: Book, row: Any) -> None:
    known = _open(book, row[0], row[1])
    if known is not None:
        _, _, known.at, known.since, known.due, known.moved, amounts, marks, taken, corrected = row
        known.amounts, known.marks, known.corrected = list(amounts), list(marks), list(corrected)
        known.taken = None if taken is None else [(least, most, others) for least, most, others in taken]
        book.enter(known)


def _load_waiter(book: Book, row: Any, mine: dict[str, Any]) -> None:
    ident, gates, priority, requests, asked_at, give_up_at, address, passed, held, held_until, missed = row
    before = mine.get(ident)
    waiter = book.queue.add(ident, before.ask if before else None, asked_at, give_up_at, priority)
    waiter.gates, waiter.requests, waiter.address, waiter.passed = frozenset(gates), requests, address, passed
    waiter.held, waiter.held_until, waiter.missed = tuple(held), held_until, missed
    book.holding += bool(held)
    if before is not None:
        waiter.called, waiter.check_at = before.called, before.check_at
        if held and waiter.called is not None:
            book.called.append(waiter.called)
