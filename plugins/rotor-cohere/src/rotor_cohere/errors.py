"""What Cohere's errors say that nobody else's do. They are prose; the texts are those of its reference (read 2026-11-21).

What a trial key is told (`... limited to 1000 API calls / month`) the core reads already: a minute is waited for, a month
is a quota that is used up.
"""

from __future__ import annotations

from typing import Final

from rotor_core import ErrorRule

ERRORS: Final = (
    ErrorRule("auth", statuses=(498,)),
    # "The client closed the request", which it did not if it reads this: somebody between lost patience.
    ErrorRule("timeout", statuses=(499,)),
    # More output than this model can give, which another can; and more input than one call may have here.
    ErrorRule("too_large", words=r"max tokens must be less than or equal to"),
    ErrorRule("context_length", words=r"too many tokens: size limit exceeded"),
    ErrorRule("not_found", words=r"\bmodel '[^']{1,200}' is not supported by the chat api"),
)
