"""Who may ask the preview's server: who knows the token, under the server's own name."""

import functools
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def new_token() -> str:
    """Return 192 random bits, as a part of an address."""
    return secrets.token_urlsafe(24)


def is_token(given: str, token: str) -> bool:
    """Return whether that is the token; the time taken does not say how much of it is."""
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())


def own_names(host: str) -> list[str]:
    """Return the names under which a browser may ask a server that listens at a host.

    A page elsewhere can have its own name lead here (DNS rebinding), so no other name is answered.
    Loopback names are always there: that is what the near end of an ssh tunnel is called.
    """
    names = [*LOOPBACK, host.lower()]
    if is_wildcard(host):
        names.append(socket.gethostname().lower())
    return names


def is_wildcard(host: str) -> bool:
    """Return whether a host stands for every network of the machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def is_own_host(header: str | None, names: Sequence[str], address: str) -> bool:
    """Return whether a request's ``Host`` is one of the server's names, with any port.

    Args:
        header: The one ``Host`` of the request; None if there is not one.
        names: See `own_names`.
        address: Of this machine, at which the request came in.
    """
    name = _host_of(f"//{header}") if header else None
    return name is not None and name in (*names, address)


def is_own_origin(origin: str | None, host: str | None) -> bool:
    """Return whether a request comes from the server's own page, or from no page at all."""
    return origin is None or (host is not None and origin.lower() == f"http://{host.lower()}")


@functools.lru_cache(64)
def _host_of(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        _ = parts.port  # ValueError if it is none
    except ValueError:
        return None
    plain = not (parts.path or parts.query or parts.fragment or "@" in parts.netloc)
    return parts.hostname if plain else None
