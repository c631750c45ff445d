"""Whether a request may still go to another model group: then it is not to wait in a full one.

LiteLLM knows a request's fallbacks, and follows them when a group has failed. Here they are only looked up, by its own
rules; one that a release no longer has is done without, and then a request waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from rotor_litellm.filters import HANDLERS, part, say
from rotor_litellm.request import is_mapping


def goes_on(router: Any, model: str, kwargs: Mapping[str, Any]) -> bool:
    """Whether LiteLLM would ask a group next that this request has not been to."""
    try:
        written = _written(router, kwargs)
        if not written:
            return False
        rules = part(HANDLERS)
        if rules.fallbacks_disabled_for_request(kwargs):
            return False
        attempted: Any = getattr(kwargs.get("attempted_targets"), "keys", None) or ()
        groups = {model, *rules.fallback_lookup_groups(kwargs, model)}
        tried = {*groups, *attempted}
        if rules.check_non_standard_fallback_format(fallbacks=written):
            chains = [written]
        else:
            # Beside this group's chain there is what is left of those by which the request came here.
            chains = [rules.get_fallback_model_group(fallbacks=written, model_group=name)[0] or () for name in tried]
        return any(rules.fallback_attempt_key(target) not in tried for chain in chains for target in chain)
    except AttributeError as error:
        say(f"{HANDLERS}.{error.name}", "a request waits in a full group though it has a fallback")
        return False


def _written(router: Any, kwargs: Mapping[str, Any]) -> Any:
    """The fallbacks of this request: its own, as far as they can be seen, else the Router's."""
    own: Any = kwargs.get("fallbacks")
    if isinstance(own, list):
        return cast("Any", own)
    sent: Any = kwargs.get("proxy_server_request")
    if sent is not None and is_mapping(sent):
        body: Any = sent.get("body")
        own = body.get("fallbacks") if is_mapping(body) else None
        if isinstance(own, list):
            return cast("Any", own)
    return router.fallbacks
