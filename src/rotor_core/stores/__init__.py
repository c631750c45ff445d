"""Where a ledger lives. `base` is what every store promises; `memory` keeps it in this process.

memory       one lock, one book            sqlite   one journal, a book in every process     redis   the book on the server
_book        the ledger as a state machine, and what it is made of:
  _choose _exchange _handing   who gets what, now, instead of another, and next
  _demand _index               what is asked in each limit's terms; who goes first, without looking at all
  _shelf _meters _learning     limits by key, rests, statistics; what was learned of them
  _open _queue                 reservations not yet settled; who waits for a slot
  _reasons _readings           why not; how everything stands
  _replica                     what was done, written down and done again elsewhere
_turn _fork clock              one turn at a time; what a fork leaves; wall time that never goes back
_journal _wake _sqlite_*       what the file holds; waking other processes; how a turn becomes a transaction
_redis_* lua/                  what goes to the server and comes back; what runs there
steady _steady_*               a shared store that may be away
"""
