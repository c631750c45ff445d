"""What holds for all tests."""

from __future__ import annotations

import signal

# A suite that is run in the background inherits an ignored SIGINT, and hands it on to the programs it starts, which
# then rightly ignore it too: tests of what Ctrl-C does need it as a terminal has it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
