"""Run by test_rehearsal.py in a network namespace of its own: a rehearsal, and who tried to leave.

Arguments: ``alone`` or ``shared``, the step of its second picture at which the first job's first
instance is taken away, then the launcher's.
"""

import fcntl
import json
import socket
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))


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


def main() -> int:
    alone = sys.argv[1] == "alone"
    if alone:
        loopback_up()
    step = sys.argv[2]

    from nst_lightning.cloud.command_line import parse
    from nst_lightning.cloud.commands import rehearse

    first: list[str] = []

    def take_away(name: str, instance: int, line: str) -> bool:
        first.append(name)
        here = instance == 1 and name == first[0]
        return here and "picture=2 " in line and f"step={step} " in line

    code = rehearse(parse(sys.argv[3:]).launch, take_away=take_away)
    tried = attempts()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        refused = outside.connect_ex(("192.0.2.1", 9)) if alone else 0
    devices = [
        line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()
    ]
    counts = {"devices": devices[2:], "refused": refused, "tried": tried}
    print(json.dumps(counts | {"control": attempts()}))
    return code


if __name__ == "__main__":
    sys.exit(main())
