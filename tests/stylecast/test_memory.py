"""What torch frees stays with the process for as long as it is asked to, and no longer."""

import json
import platform
import subprocess
import sys

import pytest

# Blocks of 16 MB, which the process is told to give back at once unless they are kept.
PROGRAM = """
import json, resource
from pathlib import Path
import torch
from stylecast.memory import freed_memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        held = [torch.ones(2**22) for _ in range(4)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20

usual = faults()
with freed_memory_kept():
    faults()
    kept, within = faults(), resident()
print(json.dumps({"usual": usual, "kept": kept, "given back": within - resident()}))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to keep")
def test_freed_memory_is_kept_and_then_given_back() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"MALLOC_MMAP_THRESHOLD_": "65536"},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(ended.stdout)
    assert told["usual"] > 40_000  # 3 × 64 MB in pages of 4 KB
    assert told["kept"] < 100
    assert told["given back"] > 60  # MB
