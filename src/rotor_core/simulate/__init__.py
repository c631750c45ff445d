"""Virtual time: the same kernel and ledger, driven by an event heap instead of a clock. An hour of traffic runs in seconds.

timeline   the heap              world     the third driver: answers flows' commands as time goes on
network    the ways, there and back; `exchange`: one of them      upstream   providers that count for themselves
scenarios  worlds and traffic    faults, chaos    outages of every kind      report    what came of it
"""
