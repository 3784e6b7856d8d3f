"""An audit hook that refuses every address but the loopback's; imports nothing of the project."""

import ipaddress
from typing import Any


def watch(event: str, args: tuple[Any, ...]) -> None:
    """Look at what Python's sockets are about to do.

    Args:
        event: Name of the audit event.
        args: What belongs to it.

    Raises:
        OSError: If it would leave the loopback.
    """
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = args[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        address = (args[0],)
    else:
        return
    # No tuple: a Unix socket, or data on a connection that was looked at when it was made.
    if isinstance(address, tuple) and _outside(address[0]):
        raise OSError(f"a rehearsal stays on this machine: it may not reach {address[0]}")


def _outside(host: Any) -> bool:
    if isinstance(host, bytes):
        host = host.decode()
    if host in (None, "", "localhost"):
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True
