"""What holds for all tests."""

from __future__ import annotations

import signal
import sys
import time

from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and how many are passed over is chance. Where CI has a profile
# of its own, the rest of it stands.
settings.register_profile(
    "any machine",
    settings(),
    deadline=None,
    suppress_health_check=[*settings().suppress_health_check, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("any machine")

# A suite that is run in the background inherits an ignored SIGINT, and hands it on to the programs it starts, which
# then rightly ignore it too: tests of what Ctrl-C does need it as a terminal has it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_settrace = sys.settrace


def _settrace_again(function):
    """CPython 3.11 refuses to begin tracing, which is how coverage is measured, in two threads at the same moment."""
    for _ in range(1000):
        try:
            return _settrace(function)
        except RuntimeError:
            time.sleep(0.001)
    return _settrace(function)


sys.settrace = _settrace_again
