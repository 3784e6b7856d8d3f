"""A terminal of so many columns, and what stands on its screen."""

import fcntl
import os
import struct
import subprocess
import termios
from collections.abc import Sequence

import pyte

LINES = 24


def on_screen(command: Sequence[str], columns: int) -> list[str]:
    """Run a program on a terminal of its own; return the lines that are left on its screen."""
    reader, writer = os.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        command,
        stdin=writer,
        stdout=writer,
        stderr=writer,
        env=environment | {"TERM": "xterm-256color"},
    )
    os.close(writer)
    screen = pyte.Screen(columns, LINES)
    stream = pyte.ByteStream(screen)
    try:
        while part := os.read(reader, 4096):
            stream.feed(part)
    except OSError:  # the other end is closed
        pass
    os.close(reader)
    assert process.wait() == 0, screen.display
    return [line.rstrip() for line in screen.display if line.strip()]
