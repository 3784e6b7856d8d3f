"""Counts page faults, which do not depend on how busy the machine is."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, torch
from nst_lightning.memory import keep_memory
if sys.argv[1] == "keep" and not keep_memory():
    sys.exit(7)
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for turn in range(12):
    if turn == 4:
        before = faults()
    for size in (48, 50, 24, 12):
        torch.empty(size * 2**18).fill_(1.0)
print(faults() - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True)
    if done.returncode == 7:
        pytest.skip("no glibc here: memory cannot be kept")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_large_tensors_are_not_faulted_in_again():
    assert faults("plain") > 10_000
    assert faults("keep") < 100
