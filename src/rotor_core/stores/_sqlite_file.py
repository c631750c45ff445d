"""A ledger's file: one connection to it, opened when first needed and again after it was let go.

Transactions that write begin by taking the database's one lock (`BEGIN IMMEDIATE`), so nobody who has read has to find
out later that somebody else wrote. Who finds it taken tries again after short pauses that do not grow for long: SQLite's
own grow to a tenth of a second, and whoever has waited longest would then wait longest again.

A connection must not live through a fork: it is closed before, and opened again where it is needed.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from pathlib import Path
from typing import Any, Final

from rotor_core._errors import StoreError
from rotor_core.stores._sqlite_errors import busy, foreign, locked, newer, no_room, no_wal, store_error

LAYOUT: Final = 1
"""The version of the tables below, kept in `PRAGMA user_version`."""

MARK: Final = 0x526F7472
"""`PRAGMA application_id` of a ledger."""

_TABLES: Final = (
    "CREATE TABLE journal (seq INTEGER PRIMARY KEY, at REAL NOT NULL, effects TEXT NOT NULL)",
    "CREATE TABLE snapshot (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, at REAL NOT NULL, book TEXT)",
    "CREATE TABLE ledger (id TEXT NOT NULL)",
    "INSERT INTO journal VALUES (1, 0, '[]')",
    "INSERT INTO snapshot VALUES (1, 1, 0, NULL)",
)

_PAUSES: Final = (0.0001,) * 50 + (0.0005,)
"""Seconds between attempts to take the lock; the last one goes on."""

_LOOK_AGAIN: Final = 1.0
"""Seconds after which the file is looked for under its name again: it may have been moved away."""


class Busy(Exception):
    """Somebody else is in the middle of something, and the asker did not want to wait."""


class LedgerFile:
    """`opened`: how often; `id`: the ledger's own, by which another file of the same name is told apart."""

    def __init__(self, path: Path, patience: float) -> None:
        self.path, self.patience = path, patience
        self.opened = 0
        self.id = ""
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._looked = 0.0

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    # --- transactions ------------------------------------------------------------------------------------------------

    def begin(self, *, wait: bool) -> None:
        """Begin to write. Not `wait`: raises `Busy` where that is not possible at once. Raises `StoreError`."""
        if not wait and self._connection is None:
            raise Busy
        self._retried(self._begin, wait=wait)

    def look(self) -> None:
        """Begin to read what is committed now. Raises `StoreError`."""
        self._retried(lambda: self._connected().execute("BEGIN"), wait=True)

    def commit(self) -> None:
        self.execute("COMMIT")

    def roll_back(self) -> None:
        """End a transaction as if it had not been. Never raises; a connection that cannot even do that is closed."""
        connection = self._connection
        if connection is None:
            return
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Raises `StoreError`."""
        try:
            return self._connected().execute(sql, values)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Raises `StoreError`."""
        try:
            return self._connected().execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    # --- the only one ------------------------------------------------------------------------------------------------

    def alone(self) -> bool:
        """Have it to ourselves, if nobody else has it open, until `share`. Not within a transaction."""
        connection = self._connected()
        try:
            return str(connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]) == "delete"
        except sqlite3.Error as error:
            if busy(error):
                return False
            raise self._failed(error) from error

    def share(self) -> None:
        """Let others in again."""
        connection = self._connected()
        self._retried(lambda: self._to_wal(connection), wait=True)

    # --- opening -----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open it, if it is not. Raises `StoreError`."""
        self._retried(self._connected, wait=True)

    def close(self) -> None:
        """Let go of it; the next use opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _retried(self, attempt: Any, *, wait: bool) -> None:
        pauses = iter(_PAUSES)
        until = time.monotonic() + self.patience
        while True:
            try:
                attempt()
            except sqlite3.Error as error:
                if not busy(error):
                    raise self._failed(error) from error
                if not wait:
                    raise Busy from error
                if time.monotonic() >= until:
                    raise locked(self.path, self.patience, error) from error
                time.sleep(next(pauses, _PAUSES[-1]))
            else:
                return

    def _failed(self, error: sqlite3.Error) -> StoreError:
        """Begin with a new connection next time: what an old one has found out of its file may be otherwise by then."""
        if not no_room(error):
            self.close()
        return store_error(self.path, error)

    def _begin(self) -> None:
        connection = self._connected()
        now = time.monotonic()
        look = now - self._looked > _LOOK_AGAIN
        if look:
            self._looked = now
            if self._inode != _inode(self.path):
                self.close()
                connection = self._connected()
        if connection.in_transaction:  # an interrupt fell between two steps
            connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        if look:
            self._still_known(connection)

    def _still_known(self, connection: sqlite3.Connection) -> None:
        """A later release may have made the tables anew since this was opened. Raises `StoreError`."""
        try:
            known = self._known(connection)
        except BaseException:
            self.close()
            raise
        if not known:
            self.close()
            raise foreign(self.path)

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(self.path, timeout=0.0, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._inode = _inode(self.path)
            self.opened += 1
        return self._connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Have the tables and the modes. Raises `sqlite3.Error`, `StoreError`."""
        if not self._known(connection):
            self._to_wal(connection)
            connection.execute("BEGIN IMMEDIATE")
            if not self._known(connection):
                for table in _TABLES:
                    connection.execute(table)
                connection.execute("INSERT INTO ledger VALUES (?)", (uuid.uuid4().hex,))
                connection.execute(f"PRAGMA application_id = {MARK}")
                connection.execute(f"PRAGMA user_version = {LAYOUT}")
            connection.execute("COMMIT")
        elif connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            self._to_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        self.id = str(connection.execute("SELECT id FROM ledger").fetchone()[0])

    def _known(self, connection: sqlite3.Connection) -> bool:
        """Whether it is a ledger of this layout; False for a file with nothing in it. Raises `StoreError`.

        All that in one transaction: another process may be making the tables.
        """
        if not connection.in_transaction:
            connection.execute("BEGIN")
            try:
                return self._known(connection)
            finally:
                connection.execute("COMMIT")
        mark, version, tables = (
            connection.execute(sql).fetchone()[0]
            for sql in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
        )
        if mark == MARK:
            if version != LAYOUT:
                raise newer(self.path, version, LAYOUT)
            return True
        if mark or tables:
            raise foreign(self.path)
        return False

    def _to_wal(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise no_wal(self.path)


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
