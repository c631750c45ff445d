"""URLs: what is wrong with one, and the origin that a credential belongs to. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from rotor_core.catalog.problems import listed

HTTP_SCHEMES: Final = frozenset({"http", "https"})
PROXY_SCHEMES: Final = frozenset({"http", "https", "socks5", "socks5h"})
_PORTS: Final = {"http": 80, "https": 443}


def url_problem(url: str, schemes: frozenset[str] = HTTP_SCHEMES) -> str | None:
    """What is wrong with a URL, or None."""
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        return "is no valid URL"
    if parts.scheme not in schemes:
        return f"does not begin with {listed(f'{scheme}://' for scheme in sorted(schemes))}"
    if not parts.hostname or not port_is_fine or any(c.isspace() for c in url):
        return "is no valid URL"
    return None


def base_url_problem(url: str) -> str | None:
    """What a URL may have, but not one that paths are appended to and that is shown to people."""
    parts = urlsplit(url)
    if parts.username or parts.password:
        return "holds a user or password, which belongs under `keys` or `headers`"
    return "has a query or a fragment" if parts.query or parts.fragment else None


def origin(url: str) -> str:
    """`scheme://host:port`, lower case and with the port always there: what a key is valid for, whatever the path."""
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}"
