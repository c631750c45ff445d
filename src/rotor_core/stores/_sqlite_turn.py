"""One turn of a ledger that lives in a file: a transaction that reads what is new, decides, and writes what it did.

Between turns this process's book is as the journal was when last read; within one it is the journal's, for nobody else
can write. Whatever goes wrong in a turn, nothing of it may stay in the book that is not in the file: so the transaction
is rolled back and the book is read anew.

Two locks. `_line` is held for a turn: who has it may use the file, perhaps after waiting for other processes. `seen`
guards the book, and is never held while waiting; so whoever only looks has no need to.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from rotor_core._errors import StoreError
from rotor_core._state.window import Guards
from rotor_core.stores._book import Book
from rotor_core.stores._journal import Journal, Row, Snapshot
from rotor_core.stores._sqlite_clock import AHEAD, SharedClock
from rotor_core.stores._sqlite_errors import locked, malformed
from rotor_core.stores._sqlite_file import Busy, LedgerFile
from rotor_core.stores._sqlite_shift import shifted
from rotor_core.stores._wake import Bell

_log = logging.getLogger("rotor_core")

T = TypeVar("T")
Doing = Callable[[Book, float], T]


class FileTurns:
    """`seq`: the row of the journal up to which the book has read; None: it has to begin anew."""

    def __init__(self, file: LedgerFile, clock: SharedClock, make: Callable[[], Book], bell: Bell) -> None:
        self.file, self.clock, self.bell = file, clock, bell
        self._make = make
        self._journal = Journal(file)
        self.start_over()

    def start_over(self) -> None:
        """As if there had been no other threads, and nothing had been read."""
        self._line = threading.RLock()
        self.seen = threading.RLock()
        self._depth = 0
        self._at = 0.0
        self._later: deque[Doing[object]] = deque()
        self.book = self._make()
        self.seq: int | None = None
        self._ledger = self._retold = ""
        self._opened: int = 0

    # --- turns -------------------------------------------------------------------------------------------------------

    def turn(self, do: Doing[T], *, wait: bool = True) -> T:
        """What `do` returns. Not `wait`: raises `Busy` where it cannot begin at once. Raises `StoreError`."""
        self._enter(wait=wait)
        try:
            if self._depth > 1:
                # Whoever interrupts a turn in its own thread becomes part of it.
                return do(self.book, self._at)
            return self._write(do, wait=wait)
        finally:
            self._leave()

    def later(self, do: Doing[object]) -> bool:
        """If this thread is in the middle of a turn: do it when that has ended, and return True."""
        if self._line.acquire(blocking=False):
            try:
                if self._depth:
                    self._later.append(do)
                    return True
            finally:
                self._line.release()
        return False

    def sent_in_time(self, reservation_id: str) -> bool:
        """Note a dispatch that was no later than was reckoned with: that moves nothing, so there is nothing to write."""
        if not self.seen.acquire(blocking=False):
            return False
        try:
            book, now = self.book, self.clock()
            known = book.open.get(reservation_id)
            if known is None or not known.due or now > known.at + book.guards.slip:
                return False
            book.sent(reservation_id, now)
        finally:
            self.seen.release()
        return True

    def look(self) -> None:
        """Read what is new, and change nothing. Raises `StoreError`."""
        self._enter(wait=True)
        try:
            if self._depth == 1:
                self.file.look()
                with self.seen:
                    try:
                        self._catch_up()
                    finally:
                        self.file.roll_back()
        finally:
            self._leave()

    def told(self) -> None:
        """Run what is to be run after a turn, in this process and in others."""
        with self.seen:
            called, self.book.called = self.book.called, []
            wakes, self.book.wakes = self.book.wakes, []
        if wakes:
            self.bell.ring(wakes)
        for call in called:
            try:
                call()
            except Exception:  # noqa: BLE001  somebody's event loop may be closed: no reason to fail whoever freed the slot
                _log.warning("an asker that waited for a slot could not be called", exc_info=True)

    # --- forks and closing -------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Before a fork: end the turn under way, begin none, and let go of the file, as a connection must not be forked."""
        self._line.acquire()
        self.seen.acquire()
        self.file.close()

    def go_on(self) -> None:
        self.seen.release()
        self._line.release()

    def close(self) -> None:
        """Let go of the file until the next turn."""
        with self._line:
            if not self._depth:
                self.file.close()

    # --- within ------------------------------------------------------------------------------------------------------

    def _enter(self, *, wait: bool) -> None:
        if not wait:
            if not self._line.acquire(blocking=False):
                raise Busy
        elif not self._line.acquire(timeout=2 * self.file.patience):
            raise locked(self.file.path, 2 * self.file.patience)
        self._depth += 1

    def _leave(self) -> None:
        try:
            while self._depth == 1 and self._later:
                self._do_later(self._later.popleft())
        finally:
            self._depth -= 1
            over = self._depth == 0
            self._line.release()
        if over and (self.book.called or self.book.wakes):
            self.told()

    def _do_later(self, do: Doing[object]) -> None:
        try:
            self._write(do, wait=True)
        except StoreError:  # whose turn this was must not hear of it: that one went well
            _log.warning("a settlement was not written; what it would give back comes back in time", exc_info=True)

    def _write(self, do: Doing[T], *, wait: bool) -> T:
        if not self.file.is_open and wait:
            self.file.open()
        if self.file.opened != self._opened and self.file.is_open:
            self._opened = self.file.opened
            self._set_right()
        self.file.begin(wait=wait)
        with self.seen:
            try:
                self._tell_anew()
                self._catch_up()
                self._at = now = max(self._at, self.clock())
                self.book.begin(now)
                result = do(self.book, now)
                self._append(now)
                self.file.commit()
            except BaseException:
                self._undo()
                raise
        return result

    def _undo(self) -> None:
        """Forget what this turn did, here as in the file."""
        self.file.roll_back()
        self.seq, self._retold = None, ""
        try:
            self.file.look()
            self._catch_up()
        except Exception:  # noqa: BLE001  whatever it is, the next turn will meet it too, and say so
            _log.debug("the ledger %s cannot be read anew now", self.file.path, exc_info=True)
        finally:
            self.file.roll_back()

    def _append(self, now: float) -> None:
        effects, self.book.effects = self.book.effects, []
        if not effects:
            return
        assert self.seq is not None
        seq = self.seq + 1
        self._journal.append(Row(seq, now, effects))
        if self._journal.due(seq):
            self._journal.keep(Snapshot(seq, now, self.book.dump()))
        self.seq = seq

    def _catch_up(self) -> None:
        """Bring the book to where the journal is."""
        if self.file.id not in (self._ledger, self._retold):
            if self._ledger and self._journal.untouched():
                return  # who writes next tells it what is known here: until then that stands
            self.seq, self._ledger = None, self.file.id
        rows = None if self.seq is None else self._journal.news(self.seq)
        try:
            if rows is None:
                rows = self._anew()
            for row in rows:
                for effect in row.effects:
                    self.book.apply(effect)
                self.seq = row.seq
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
            self.seq, self._ledger = None, ""
            raise malformed(self.file.path, error) from error
        if rows:
            self.clock.follow(rows[-1].at, self.file.path)

    def _tell_anew(self) -> None:
        """If the file was moved away and a new one begun, have that go on from what is known here: the calls were made.

        Should this turn fail, that is undone with the rest (`_undo`), and the next one tells it.
        """
        if not self._ledger or self.file.id == self._ledger or not self._journal.untouched():
            return
        self.book.effects.clear()
        at = max(self._at, self.clock())
        self._journal.append(Row(_RETOLD, at, []))
        self._journal.keep(Snapshot(_RETOLD, at, self.book.dump()), alone=True)
        self.seq, self._retold = _RETOLD, self.file.id
        _log.warning("the ledger %s is a new one; it is told what was last seen here", self.file.path)

    def _anew(self) -> list[Row]:
        """Begin again from the snapshot; the rows after it."""
        self.seq = None
        snapshot = self._journal.snapshot()
        rows = self._journal.news(snapshot.seq)
        if rows is None:
            raise IndexError(f"no row {snapshot.seq}")
        self.book.effects.clear()
        self.book.wakes.clear()
        self.book.called.clear()
        self.book.load(_EMPTY if snapshot.book is None else snapshot.book)
        self.clock.follow(snapshot.at, self.file.path)
        self.seq = snapshot.seq
        return rows

    def _set_right(self) -> None:
        """If the journal is ahead of the clock, and nobody else goes by it, have it go by the clock.

        The machine's clock was ahead then. That is only seen by who opens the file: a process's own clock never goes back.
        """
        was, now = self._journal.last_at(), self.clock()
        if was - now <= AHEAD or not self.file.alone():
            return
        self.file.begin(wait=True)
        try:
            book = self._make()
            snapshot = self._journal.snapshot()
            book.load(_EMPTY if snapshot.book is None else snapshot.book)
            seq = snapshot.seq
            for row in self._journal.news(seq) or ():
                for effect in row.effects:
                    book.apply(effect)
                seq = row.seq
            # Two further, so that whoever had read this far sees that what follows does not continue it.
            snapshot = Snapshot(seq + 2, now, shifted(book.dump(), was - now, was))
            self._journal.append(Row(snapshot.seq, now, []))
            self._journal.keep(snapshot, alone=True)
            self.file.commit()
        finally:
            self.file.roll_back()
            self.file.share()
        _log.warning(
            "the ledger %s was %.0f s ahead of this machine's clock, which must have been set back: what it holds was"
            " moved as far",
            self.file.path,
            was - now,
        )


_RETOLD = 3
"""Two further than where a new journal begins, so that whoever has read that sees that what follows does not continue it."""

_EMPTY: dict[str, list[object] | dict[str, object]] = {
    "meters": [], "gates": [], "rests": [], "stats": [], "learned": {}, "open": [], "queue": [],
}  # fmt: skip


def made_with(guards: Guards, lease: float, check_every: float) -> Callable[[], Book]:
    """How a book of a shared ledger is made."""

    def make() -> Book:
        book = Book(guards, lease, shared=True)
        book.check_every = check_every
        return book

    return make
