"""What the ledger counts with. Pure state: every method takes the time, none looks at a clock.

    bucket rolling calendar    how much is taken of a limit, and the first instant at which more fits
    concurrency                who holds a slot: no instant can be promised
    spans                      where calendar periods begin and end, in any time zone
    window                     what the three have in common, and which one a limit needs
    fit                        the first instant that suits several windows at once

A charge is three plain numbers, `(at, amount, mark)`: the instant from which it counts, how much, and what the window
wants to be told again when the charge is changed or moved. So a store can keep it anywhere.
"""
