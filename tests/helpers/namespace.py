"""A network namespace of a program's own, which has the loopback and nothing else."""

import fcntl
import shutil
import socket
import struct
import subprocess
from pathlib import Path

ALONE = ["unshare", "--net", "--map-root-user"]
"""What a command is started by, to be alone."""


def is_allowed() -> bool:
    """Return whether this machine lets a program have such a namespace."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0


def loopback_up() -> None:
    """Switch lo on, which is down in a fresh namespace."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))


def attempts() -> int:
    """Return how often the kernel found no way out for a packet or a connection."""
    rows = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines()]
    names, values = (row for row in rows if row[0] == "Ip:")
    six = dict(line.split() for line in Path("/proc/net/snmp6").read_text().splitlines())
    return int(values[names.index("OutNoRoutes")]) + int(six["Ip6OutNoRoutes"])


def devices() -> list[str]:
    """Return the names of the network's devices."""
    rows = Path("/proc/net/dev").read_text().splitlines()[2:]
    return [row.split(":")[0].strip() for row in rows]
