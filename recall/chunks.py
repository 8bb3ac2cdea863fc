"""A large batch in the memory of a part of it: gradient caching (Gao, Zhang, Han & Callan, RepL4NLP 2021).

Recall tells each pair from the whole batch, so a step does not fall into independent ones. But what is computed on the
way to a picture's heads depends on that picture alone. So a chunk is run without keeping what its gradient needs, and
run once more when the gradient of its result is known. GradCache does so in two passes of its own; here each chunk is
a `torch.utils.checkpoint`, which is the same recomputation with the same gradients, restores the random numbers and the
autocast of the first run, and leaves one backward pass, in which DistributedDataParallel sees each gradient once.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch.utils.checkpoint import checkpoint

T = TypeVar("T")


def in_chunks(function: Callable[[slice], T], size: int, chunk: int, device: torch.device) -> list[T]:
    """Run a function on one part of the rows after another; of one part alone is kept what gradients need.

    Args:
        function: takes rows, and gives tensors that depend on no other rows. It is called again in the backward
            pass, so it must not speak with other processes.
        size: how many rows there are.
        chunk: how many a part has at most; 0, or no fewer than there are = all at once, and no second run.
        device: of the tensors.

    Returns:
        The result of each part, in order.
    """
    if not 0 < chunk < size:
        return [function(slice(0, size))]
    kind = device.type
    # Autocast would keep one bf16 copy of each weight, in which the gradients of all chunks would be summed in bf16.
    with torch.autocast(
        kind, torch.get_autocast_dtype(kind), enabled=torch.is_autocast_enabled(kind), cache_enabled=False
    ):
        parts = (slice(top, top + chunk) for top in range(0, size, chunk))
        return [checkpoint(function, part, use_reentrant=False) for part in parts]
