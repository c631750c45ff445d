"""The journal of a shared ledger: what every turn did, in order, and now and then the whole as it stood.

A row is one turn's effects. Whoever has applied all rows up to `seq` holds the ledger as it stood then. A snapshot lets
older rows be deleted; some are kept, so that a process which is a little behind need not read the whole again. The last
row is always there, so a reader sees at once whether the journal still begins before the place where it has read to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from rotor_core.stores._replica import Effect
from rotor_core.stores._sqlite_errors import malformed
from rotor_core.stores._sqlite_file import LedgerFile

KEPT: Final = 512
"""Rows before a snapshot that are kept."""

_SELDOM: Final = 4096
_OFTEN: Final = 512
_ROW: Final = 64
"""A snapshot is due after so many rows as it is long in `_ROW` characters, within these bounds: that makes it as dear as
a few of a row's microseconds each, however large the ledger is."""


@dataclass(frozen=True, slots=True)
class Row:
    """One turn. `at`: its instant."""

    seq: int
    at: float
    effects: list[Effect]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The ledger as it stood after row `seq`. `book`: what `Book.dump` wrote; None: nothing had been yet."""

    seq: int
    at: float
    book: Any


class Journal:
    """Everything here happens within a transaction of the file. Raises `StoreError`."""

    __slots__ = ("_due", "_file")

    def __init__(self, file: LedgerFile) -> None:
        self._file = file
        self._due = 0

    def news(self, after: int) -> list[Row] | None:
        """The rows after one; None where they are not there any more."""
        found = self._file.rows("SELECT seq, at, effects FROM journal WHERE seq >= ? ORDER BY seq", (after,))
        if not found or found[0][0] != after:
            return None
        try:
            return [Row(seq, at, json.loads(effects)) for seq, at, effects in found[1:]]
        except (ValueError, TypeError) as error:
            raise malformed(self._file.path, error) from error

    def last_at(self) -> float:
        """The instant of the last turn."""
        found = self._file.rows("SELECT at FROM journal ORDER BY seq DESC LIMIT 1")
        if not found:
            raise malformed(self._file.path, IndexError("no rows"))
        return float(found[0][0])

    def untouched(self) -> bool:
        """Whether nothing was ever written here."""
        return self._file.rows("SELECT max(seq) FROM journal") == [(1,)]

    def snapshot(self) -> Snapshot:
        """The last one."""
        try:
            seq, at, book = self._file.rows("SELECT seq, at, book FROM snapshot")[0]
            self._due = seq + _pace(book or "")
            return Snapshot(seq, at, None if book is None else json.loads(book))
        except (ValueError, TypeError, IndexError) as error:
            raise malformed(self._file.path, error) from error

    def append(self, row: Row) -> None:
        self._file.execute(
            "INSERT INTO journal VALUES (?, ?, ?)", (row.seq, row.at, json.dumps(row.effects, separators=(",", ":")))
        )

    def due(self, seq: int) -> bool:
        """Whether a snapshot is due after this row. Another process may have written the last one."""
        if seq < self._due:
            return False
        written, size = self._file.rows("SELECT seq, length(book) FROM snapshot")[0]
        self._due = written + _pace_of(size or 0)
        return seq >= self._due

    def keep(self, snapshot: Snapshot, *, alone: bool = False) -> None:
        """Write a snapshot, and forget all but the last rows before it. `alone`: what was before it does not count."""
        text = json.dumps(snapshot.book, separators=(",", ":"))
        self._file.execute("UPDATE snapshot SET seq = ?, at = ?, book = ?", (snapshot.seq, snapshot.at, text))
        self._file.execute("DELETE FROM journal WHERE seq < ?", (snapshot.seq - (0 if alone else KEPT),))
        self._due = snapshot.seq + _pace(text)


def _pace(book: str) -> int:
    return _pace_of(len(book))


def _pace_of(size: int) -> int:
    return min(_SELDOM, max(_OFTEN, size // _ROW))
