"""Run by test_rehearsal.py in a network namespace of its own: a rehearsal, and who tried to leave.

Arguments: ``alone`` or ``shared``, the step of its second picture at which the first job's first
instance is taken away, then the launcher's.
"""

import json
import socket
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from helpers.namespace import attempts, devices, loopback_up  # noqa: E402


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
    counts = {"devices": devices(), "refused": refused, "tried": tried}
    print(json.dumps(counts | {"control": attempts()}))
    return code


if __name__ == "__main__":
    sys.exit(main())
