"""What goes wrong with a Redis, as `StoreError`s that say which one (never its password) and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from rotor_core._errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = {"redis", "rediss", "unix"}
_EXPECTED = "redis://host:port/db, rediss://host:port/db or unix:///path/to/socket?db=0"

_ADVICE: Mapping[str, str] = {
    "READONLY": "it is a read-only replica: name the primary in `store`",
    "OOM": "its memory is full: raise its `maxmemory`, or give Rotor a Redis of its own",
    "LOADING": "it is still loading its data set: wait until it has, and try again",
    "MISCONF": "it cannot save to its disk and takes no writes: see its log",
    "NOAUTH": "it asks for a password: put it into `store` (redis://user:password@host:port/db)",
    "WRONGPASS": "it does not accept this user and password: correct them in `store`",
    "NOPERM": "its user may not do this: allow evalsha, script|load and pub/sub on keys and channels {rotor:*",
    "NOREPLICAS": "too few of its replicas are there, so it takes no writes",
    "CLUSTERDOWN": "its cluster is down: see its log",
    "MOVED": "it is one node of a cluster, and not the one that holds this namespace: name that one in `store`",
    "BUSY": "it is busy with somebody else's script: wait, or end that with SCRIPT KILL",
    "WRONGTYPE": "something else uses its keys {rotor:*: choose another `?namespace=`",
}


_KINDS: Mapping[str, tuple[str, str]] = {
    "ConnectionError": ("no connection", ""),
    "TimeoutError": ("no answer in time", ""),
    "BusyLoadingError": ("loading", "LOADING"),
    "ReadOnlyError": ("read-only", "READONLY"),
    "OutOfMemoryError": ("out of memory", "OOM"),
    "AuthenticationError": ("not let in", "WRONGPASS"),
    "AuthenticationWrongNumberOfArgsError": ("not let in", "WRONGPASS"),
    "NoPermissionError": ("not allowed", "NOPERM"),
    "ResponseError": ("it refused", ""),
}
"""What the driver's errors are called here, and the word of Redis' own that the driver has cut off."""


def store_error(shown: str, error: BaseException) -> StoreError:
    """For an error of the driver's. Its own text is not repeated: nobody knows what is in there."""
    kind, word = _KINDS.get(type(error).__name__, (type(error).__name__, ""))
    return StoreError(f"the ledger at {shown} cannot be used ({kind}): {_advice(word, str(error))}")


def _advice(word: str, text: str) -> str:
    """What to do, by the word that Redis begins its errors with."""
    begins = f"{word} {text[:200]}"
    for known, what in _ADVICE.items():
        if known in begins:
            return what
    return "see that Redis runs there and can be reached, or name another place in `store`"


def split(url: str) -> tuple[str, str, str]:
    """`(url for the driver, namespace, url as it may be shown)`. Raises `ConfigError`."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not (parts.netloc or parts.path):
        raise ConfigError("not the URL of a Redis", key="store", value=shown(parts), expected=_EXPECTED)
    options = parse_qsl(parts.query, keep_blank_values=True)
    namespace = dict(options).get("namespace", "rotor")
    if not namespace or set("{}") & set(namespace):
        raise ConfigError(
            "not a name for a ledger's keys", key="store", value=namespace, expected="letters, digits, - and _"
        )
    rest = [(name, value) for name, value in options if name != "namespace"]
    return _joined(parts.scheme, parts.netloc + parts.path, rest), namespace, shown(parts)


def shown(parts: SplitResult) -> str:
    """A URL without its user, its password and all options but those that say where."""
    host = parts.netloc.rpartition("@")[2]
    options = [(name, value) for name, value in parse_qsl(parts.query) if name in {"namespace", "db"}]
    return _joined(parts.scheme, host + parts.path, options)


def _joined(scheme: str, place: str, options: list[tuple[str, str]]) -> str:
    return f"{scheme}://{place}" + (f"?{urlencode(options)}" if options else "")


def lost() -> StoreError:
    """For a ledger that does not know what it was just told of."""
    return StoreError("the ledger forgets what it is told, again and again: see that nothing else deletes its keys")
