"""Where a ledger lives. `base` is what every store promises; `memory` keeps it in this process.

memory       the store: one turn, one lock, one operation
_turn        turns, and what is done after them        _fork      what a fork leaves of it
_choose      which option, and from when               _demand    what is asked, in each limit's terms
_index       who goes first, without looking at all    _meters    limits by key, rests, statistics
_queue       who waits for a slot                      _open      reservations not yet settled
_reasons     why not                                   _readings  how everything stands
clock        wall time that never goes back
"""
