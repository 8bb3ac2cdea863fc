"""What a training multiplies: as asked, or what the processor is quick at."""

from pathlib import Path

import pytest
import torch

from stylecast.precision import Precision, autocast, has_bf16

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("precision", "native", "expected"),
    [
        ("bf16", False, torch.bfloat16),
        ("fp32", True, torch.float32),
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
    ],
)
def test_what_a_product_is_made_of(
    precision: Precision, native: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    with autocast(CPU, precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == expected


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="only Linux tells what its processor can do")
def test_this_processor_is_asked() -> None:
    assert has_bf16(CPU) == ("avx512_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
