"""What Gemini's errors mean where the general rules would not know. These rules come before the general ones.

Google's quotas, bad keys and overloads are in the general rules already: gateways pass them on under any name.
"""

from __future__ import annotations

from typing import Final

from rotor_core import ErrorRule

FAILED_FINISHES: Final = frozenset(
    {
        "FINISH_REASON_UNSPECIFIED",
        "OTHER",
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "IMAGE_OTHER",
        "NO_IMAGE",
    }
)
"""Finish reasons by which the model, not the request, has failed: asked again, or elsewhere, it may do better."""

ACCOUNT_FINISHES: Final = frozenset({"PUP_LIMITED_DISABLED"})
"""Finish reasons by which the account is barred (Google's Prohibited Use Policy)."""


def code_of(finish_reason: str) -> str:
    """The code under which a finish reason stands in the error that is made of it."""
    return f"finish_reason_{finish_reason.lower().removeprefix('finish_reason_')}"


ERRORS: Final = (
    ErrorRule("server_error", codes=frozenset(map(code_of, FAILED_FINISHES))),
    ErrorRule("permission", codes=frozenset(map(code_of, ACCOUNT_FINISHES))),
    # A signature that only its own key or model can read: whoever else is asked does not mind the rest of the history.
    ErrorRule("server_error", words=r"(?:missing|invalid|corrupted)\b.{0,20}thought[ _]?signature", only=(400,)),
    # Said of projects without billing in regions where nothing is free; the general rules hear only of the region.
    ErrorRule("billing", words=r"enable billing|billing (?:is )?(?:not enabled|disabled)", only=(400, 403, 429)),
)
