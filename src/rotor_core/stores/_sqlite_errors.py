"""What goes wrong with a ledger's file, as `StoreError`s that name the file and say what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from rotor_core._errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")

_ADVICE: Mapping[str, tuple[str, str]] = {
    "SQLITE_FULL": ("no room to write", "free some space on its disk, or name another place in `store`"),
    "SQLITE_READONLY": (
        "read-only",
        "let this user write the file and its directory, or name another place in `store`",
    ),
    "SQLITE_PERM": (
        "not permitted",
        "let this user write the file and its directory, or name another place in `store`",
    ),
    "SQLITE_CANTOPEN": ("cannot be opened", "let this user read and write the file and its directory"),
    "SQLITE_NOTADB": (
        "not an SQLite database",
        "name another file in `store`, or move this one away: a new one is made",
    ),
    "SQLITE_CORRUPT": ("damaged", "stop who uses it and move it away, with its -wal and -shm: a new one is made"),
    "SQLITE_IOERR": ("the disk failed or is full", "look to its disk (free space, quota, its health)"),
    "SQLITE_PROTOCOL": ("locks do not work there", "use a file on a local disk, not one on the network"),
}


def busy(error: sqlite3.Error) -> bool:
    """Whether another process is in the middle of something."""
    return _name(error).startswith(_BUSY)


def no_room(error: sqlite3.Error) -> bool:
    """Whether nothing is wrong but that there is no room."""
    return _name(error) == "SQLITE_FULL"


def store_error(path: Path, error: sqlite3.Error) -> StoreError:
    """For an error of the driver's."""
    if busy(error):
        return locked(path, None, error)
    what, advice = _explained(path, _name(error))
    made = StoreError(f"the ledger {path} cannot be used ({what or error}): {advice}")
    made.__cause__ = error
    return made


def locked(path: Path, seconds: float | None, error: BaseException | None = None) -> StoreError:
    """Somebody else has not let go of it."""
    how_long = "" if seconds is None else f" for {seconds:g} s"
    made = StoreError(
        f"the ledger {path} has been locked by somebody else{how_long}: look for a process that was stopped in the"
        " middle, a backup, or a tool that holds it open in a transaction"
    )
    made.__cause__ = error
    return made


def newer(path: Path, version: int, known: int) -> StoreError:
    """It was made by a later release."""
    return StoreError(
        f"the ledger {path} has layout {version}, and this release of Rotor knows up to {known}: upgrade llm-rotor in"
        " this process too, or name another file in `store`"
    )


def foreign(path: Path) -> StoreError:
    """A database, but somebody else's."""
    return StoreError(f"{path} is a database of something else, not a ledger: name another file in `store`")


def malformed(path: Path, cause: BaseException) -> StoreError:
    """A ledger by its marks, but what stands in it makes no sense."""
    made = StoreError(
        f"what stands in the ledger {path} cannot be read ({type(cause).__name__}): stop who uses it and move it away,"
        " with its -wal and -shm: a new one is made"
    )
    made.__cause__ = cause
    return made


def no_wal(path: Path) -> StoreError:
    """The file system cannot share memory."""
    return StoreError(f"the ledger {path} cannot be shared where it lies: use a file on a local disk")


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or ""


def _explained(path: Path, name: str) -> tuple[str, str]:
    """What is wrong, and what to do."""
    if name.startswith("SQLITE_CANTOPEN"):
        if not path.parent.is_dir():
            return f"there is no directory {path.parent}", "make it, or name another place in `store`"
        if path.is_dir():
            return "it is a directory", "name a file in `store`"
    for known, explained in _ADVICE.items():
        if name.startswith(known):
            return explained
    return "", "name another file in `store`, or move this one away: a new one is made"
