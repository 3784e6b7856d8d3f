"""The guard of a rehearsal: the loopback and nothing else, in children too."""

import os
import socket
import subprocess
import sys

import pytest

from nst_lightning.cloud.rehearsal.loopback import guarded_path, loopback_only


@pytest.mark.parametrize("host", ["192.0.2.1", "example.com", "10.0.0.1", "2001:db8::1"])
def test_every_other_address_is_refused(host: str) -> None:
    with loopback_only(), pytest.raises(OSError, match="a rehearsal stays on this machine"):
        socket.create_connection((host, 80), timeout=1)


def test_datagrams_are_refused_and_the_loopback_is_not() -> None:
    with loopback_only(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        with pytest.raises(OSError, match="a rehearsal stays on this machine"):
            any_socket.sendto(b"x", ("192.0.2.1", 9))
        any_socket.sendto(b"x", ("127.0.0.1", 9))
        assert socket.gethostbyname("localhost") == "127.0.0.1"


def test_children_are_guarded_from_their_first_line_on() -> None:
    program = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    environ = os.environ | {"PYTHONPATH": guarded_path(os.environ)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "a rehearsal stays on this machine" in done.stderr
