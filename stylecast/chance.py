"""Chance as a function of numbers: of a seed, a step and a process.

A training that was killed and started again takes the steps that it would have taken, whatever was drawn before.
"""

from functools import lru_cache

import numpy as np
import torch


@lru_cache(2)  # all steps of an epoch need the same one, and a million numbers take longer to mix than a step
def permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of the examples of an epoch; int64."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def mixed(seed: int, step: int, rank: int) -> int:
    """One 63-bit seed out of three numbers."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_torch(seed: int, device: torch.device) -> None:
    """What `torch.manual_seed` does, for this device alone: it notes a stack for each that is not there, every time."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
