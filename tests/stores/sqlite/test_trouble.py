"""What goes wrong with a file is said with its name and with what to do, and takes nothing from anybody."""

from __future__ import annotations

import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest
from tests.stores.made import ask, option, plan, rpm

from rotor_core._errors import StoreError
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Refusal, Reservation
from rotor_core.stores import _sqlite_file
from rotor_core.stores._sqlite_errors import store_error
from rotor_core.stores._sqlite_file import LAYOUT, LedgerFile
from rotor_core.stores.sqlite import SqliteStore

A = option("a", rpm(3, "calendar"))
OF = plan(A)


def refused(store, *words):
    with pytest.raises(StoreError) as error:
        store.reserve(ask(OF))
    for word in (str(store.path), *words):
        assert word in str(error.value)
    return error.value


def test_a_missing_directory_is_named(tmp_path):
    store = SqliteStore(tmp_path / "nowhere" / "ledger.db")

    refused(store, f"no directory {tmp_path / 'nowhere'}", "make it")

    (tmp_path / "nowhere").mkdir()
    assert isinstance(store.reserve(ask(OF)), Reservation)
    store.close()


def test_a_directory_is_not_a_file(tmp_path):
    refused(SqliteStore(tmp_path), "is a directory", "name a file")


def test_what_is_not_a_database_is_left_alone(site):
    site.path.write_text("Dear diary, " * 100)

    refused(site.open(), "not an SQLite database", "move this one away")

    assert site.path.read_text().startswith("Dear diary")


def test_somebody_elses_database_is_left_alone(site):
    with sqlite3.connect(site.path) as theirs:
        theirs.execute("CREATE TABLE journal (dear TEXT)")
    theirs.close()
    before = site.path.read_bytes()

    refused(site.open(), "a database of something else")

    assert site.path.read_bytes() == before


def test_a_ledger_of_a_later_release_is_left_alone(site):
    site.open().read([A])
    site.close()
    with sqlite3.connect(site.path) as later:
        later.execute(f"PRAGMA user_version = {LAYOUT + 6}")
    later.close()

    refused(site.open(), f"layout {LAYOUT + 6}", f"up to {LAYOUT}", "upgrade llm-rotor")


def test_a_full_disk_is_said_and_nothing_is_taken_that_is_not_written(site):
    store, other = site.open(), site.open()
    kept = store.reserve(ask(OF))
    pages = store._file.rows("PRAGMA page_count")[0][0]
    store._file.execute(f"PRAGMA max_page_count = {pages}")
    long = plan(option("b" * 50_000, rpm(5)))

    with pytest.raises(StoreError, match="no room to write.*free some space"):
        store.reserve(ask(long))

    assert len(store._turns.book.open) == 1
    assert other.read([A])[0].limits[0].reserved == 1
    store.settle(kept.id, NOTHING_USED)
    store._file.execute("PRAGMA max_page_count = 1000000")
    assert isinstance(store.reserve(ask(long)), Reservation)
    assert other.read([A])[0].limits[0].used == 0


def test_a_file_that_may_not_grow_is_said_and_the_ledger_goes_on_when_it_may(tmp_path):
    """As a quota or a full disk has it: writes fail in the middle of the log."""
    program = textwrap.dedent("""
        import resource, signal, sys
        from tests.stores.made import ask, option, plan, rpm
        from rotor_core._errors import StoreError
        from rotor_core.stores.sqlite import SqliteStore
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        a = option("a", rpm(10_000, "calendar")); of = plan(a)
        store = SqliteStore(sys.argv[1])
        store.read([a])
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
        done = failed = 0
        for _ in range(60):
            try:
                store.reserve(ask(of)); done += 1
            except StoreError as error:
                assert sys.argv[1] in str(error), error
                failed += 1
        assert done and failed, (done, failed)
        assert len(store._turns.book.open) == done
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        store.reserve(ask(of)); done += 1
        assert store.read([a])[0].limits[0].reserved == done
        print(done)
    """)
    path = tmp_path / "ledger.db"
    ran = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False, timeout=60
    )

    assert ran.returncode == 0, ran.stderr
    again = SqliteStore(path)
    assert again._turns.turn(lambda book, _: len(book.open)) == int(ran.stdout)
    again.close()
    assert resource.RLIMIT_FSIZE
    assert signal.SIGXFSZ


def test_a_read_only_file_is_said_and_what_was_seen_is_still_seen(site):
    store = site.open()
    store.reserve(ask(OF))
    store._file.execute("PRAGMA query_only = 1")

    refused(store, "read-only", "let this user write")

    assert store.glance([A])[0].limits[0].reserved == 1
    store._file.execute("PRAGMA query_only = 0")
    assert store.reserve(ask(OF))
    assert store.read([A])[0].limits[0].reserved == 2


def test_who_holds_the_lock_for_too_long_is_looked_for(site):
    store = site.open(patience=0.05)
    store.reserve(ask(OF))
    holder = sqlite3.connect(site.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    refused(store, "locked by somebody else for 0.05 s", "a process that was stopped")

    holder.execute("ROLLBACK")
    holder.close()
    assert isinstance(store.reserve(ask(OF)), Reservation)
    assert store.read([A])[0].limits[0].reserved == 2


def test_a_thread_that_does_not_get_its_turn_says_so(site):
    import threading

    store = site.open(patience=0.01)
    store._turns.hold()
    errors = []

    def reserve():
        with pytest.raises(StoreError, match="locked") as error:
            store.reserve(ask(OF))
        errors.append(error)
        with pytest.raises(StoreError, match="locked"):
            store.settle("x", AS_RESERVED)

    thread = threading.Thread(target=reserve)
    thread.start()
    thread.join(10)
    store._turns.go_on()

    assert len(errors) == 1
    assert isinstance(store.reserve(ask(OF)), Reservation)


@pytest.mark.parametrize("effects", ["[", '[["take"]]', '[["no such thing", 1]]', '[["end", 1]]', "7", "[7]", "[[]]"])
def test_a_row_that_makes_no_sense_is_said(site, effects):
    store = site.open()
    store.reserve(ask(OF))
    store._file.execute("INSERT INTO journal VALUES (3, 0, ?)", (effects,))

    refused(site.open(), "cannot be read", "move it away")
    refused(store, "cannot be read")

    store._file.execute("DELETE FROM journal WHERE seq = 3")
    assert isinstance(store.reserve(ask(OF)), Reservation)
    assert store.read([A])[0].limits[0].reserved == 2


@pytest.mark.parametrize("book", ["{", "{}", '{"meters": 7}', "[]", "7"])
def test_a_snapshot_that_makes_no_sense_is_said(site, book):
    site.open().reserve(ask(OF))
    site.stores[0]._file.execute("UPDATE snapshot SET book = ?", (book,))

    refused(site.open(), "cannot be read", "move it away")


def test_a_journal_with_a_hole_is_said(site):
    site.open().reserve(ask(OF))
    site.stores[0]._file.execute("DELETE FROM journal")

    refused(site.open(), "cannot be read")


def test_a_journal_that_does_not_reach_back_to_the_snapshot_is_said(site):
    site.open().reserve(ask(OF))
    site.stores[0]._file.execute("DELETE FROM journal WHERE seq = 1")

    refused(site.open(), "cannot be read")


def test_a_damaged_file_is_said(site):
    store = site.open()
    for _ in range(200):
        store.settle(store.reserve(ask(OF)).id, NOTHING_USED)
    site.close()
    whole = bytearray(site.path.read_bytes())
    for page in range(1, len(whole) // 4096):
        whole[page * 4096 : page * 4096 + 2000] = b"\xff" * 2000
    site.path.write_bytes(whole)

    refused(site.open(), "damaged", "move it away, with its -wal and -shm")


def test_a_file_that_is_moved_away_is_begun_anew_with_what_was_known(site, monkeypatch, caplog):
    monkeypatch.setattr(_sqlite_file, "_LOOK_AGAIN", 0.0)
    store = site.open()
    for _ in range(3):
        store.reserve(ask(OF))
    assert isinstance(store.reserve(ask(OF, max_wait=0.0)), Refusal)
    for suffix in ("", "-wal", "-shm"):
        site.path.with_name(site.path.name + suffix).rename(site.path.with_name("old.db" + suffix))

    assert isinstance(store.reserve(ask(OF, max_wait=0.0)), Refusal)
    assert site.open().read([A])[0].limits[0].reserved == 3
    assert "is told what was last seen here" in caplog.text
    store.reset([A], windows=True)
    assert isinstance(store.reserve(ask(OF, max_wait=0.0)), Refusal), "what is in flight still counts"


def test_a_later_layout_is_noticed_by_those_who_have_the_file_open(site, monkeypatch):
    monkeypatch.setattr(_sqlite_file, "_LOOK_AGAIN", 0.0)
    store = site.open()
    store.reserve(ask(OF))
    other = sqlite3.connect(site.path)
    other.execute("PRAGMA user_version = 99")
    other.close()

    refused(store, "99")


def test_a_file_of_another_program_in_its_place_is_noticed(site, monkeypatch):
    monkeypatch.setattr(_sqlite_file, "_LOOK_AGAIN", 0.0)
    store = site.open()
    store.reserve(ask(OF))
    other = sqlite3.connect(site.path)
    other.execute("PRAGMA application_id = 7")
    other.close()

    refused(store, str(site.path))


def test_a_file_system_that_cannot_share_memory_is_said(site, monkeypatch):
    class Answer:
        def fetchone(self):
            return ("delete",)

    class Elsewhere(sqlite3.Connection):
        def execute(self, sql, *values):
            return Answer() if "journal_mode" in sql else super().execute(sql, *values)

    connect = sqlite3.connect
    monkeypatch.setattr(_sqlite_file.sqlite3, "connect", lambda *a, **k: connect(*a, factory=Elsewhere, **k))

    refused(site.open(), "local disk")


def test_what_sqlite_says_that_nobody_expected_is_passed_on(site):
    file = LedgerFile(site.path, 1.0)
    with pytest.raises(StoreError, match="no such table: nowhere"):
        file.rows("SELECT * FROM nowhere")
    with pytest.raises(StoreError, match="no such table: nowhere"):
        file.execute("DELETE FROM nowhere")
    file.roll_back()
    file.open()
    file._connection.close()
    file.roll_back()
    assert not file.is_open
    file.roll_back()


def test_a_name_that_leads_nowhere_is_said(site):
    site.path.symlink_to(site.path)

    refused(site.open(), "cannot be opened", "let this user read and write")


def test_a_lock_that_was_found_taken_in_the_middle_is_said(site):
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorname = "SQLITE_BUSY_SNAPSHOT"

    assert "locked by somebody else: look for" in str(store_error(site.path, error))


def test_a_ledger_that_was_left_in_another_mode_is_shared_again(site):
    site.open().reserve(ask(OF))
    site.close()
    with sqlite3.connect(site.path) as found:
        assert found.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    found.close()

    store = site.open()
    assert store.read([A])[0].limits[0].reserved == 1
    assert store._file.rows("PRAGMA journal_mode") == [("wal",)]


def test_two_that_make_the_same_ledger_at_once_make_one(site, monkeypatch):
    one, other = site.open(), site.open()
    to_wal = LedgerFile._to_wal

    def late(file, connection):
        to_wal(file, connection)
        if file is one._file:
            other.reserve(ask(OF))

    monkeypatch.setattr(LedgerFile, "_to_wal", late)

    assert one.read([A])[0].limits[0].reserved == 1
    assert one._file.id == other._file.id


def test_who_cannot_find_out_whether_it_is_alone_says_so(site):
    store = site.open()
    store.read([A])
    store._file._connection.close()

    with pytest.raises(StoreError, match="closed database"):
        store._file.alone()


def test_a_connection_that_cannot_even_roll_back_is_let_go(site):
    store = site.open()
    store.reserve(ask(OF))
    store._file._connection.close()

    refused(store, "cannot be used")

    assert isinstance(store.reserve(ask(OF)), Reservation)
    assert store.read([A])[0].limits[0].reserved == 2


def test_an_interrupt_between_two_steps_leaves_no_transaction_behind(site):
    store = site.open()
    grant = store.reserve(ask(OF))
    store._file.begin(wait=True)

    store.settle(grant.id, AS_RESERVED)

    assert site.open().read([A])[0].limits[0].used == 1
