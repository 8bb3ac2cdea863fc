"""Which numbers a training multiplies: bfloat16 where the processor does that natively, float32 elsewhere."""

from typing import Literal

import torch

Precision = Literal["auto", "bf16", "fp32"]


def has_bf16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 natively.

    Elsewhere torch works it out in steps: on a CPU without AVX512-BF16 a product of two matrices of 1024×1024 took 75
    times as long as in float32, a convolution 11 times.

    Args:
        device: a CPU, or a GPU of CUDA.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Processors with AMX have AVX512-BF16 too; without oneDNN torch has no fast kernel for either.
    return torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported()


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The context in which a forward pass runs; it does nothing where float32 is used.

    Args:
        device: where the tensors are.
        precision: auto takes bf16 where `has_bf16`.
    """
    enabled = precision == "bf16" or (precision == "auto" and has_bf16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)
