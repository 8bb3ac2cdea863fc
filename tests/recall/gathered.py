"""Losses and gradients of one recall batch, by as many processes as torchrun starts; rank 0 saves them.

gathered.py PATH CACHE_CHUNK
"""

import stylecast  # noqa: F401  # isort: skip
import sys

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

from pretrain.encoder import EncoderConfig, build_encoder
from pretrain.pictures import PixelPictures
from recall.gallery import Gallery
from recall.matchers import TextEncoder
from recall.task import LossConfig, RecallTask
from stylecast.world import World, mean_over_ranks, open_world

PAIRS = 8


def work(path: str, chunk: int, world: World) -> None:
    torch.manual_seed(0)
    encoder = build_encoder(EncoderConfig(channels=(8,), heads=3, dim=8))
    nothing = Gallery(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 0), bool), np.zeros((0, 0), int))
    # Hard negatives belong to the pairs of their own rank, so they are left out of this comparison.
    task = RecallTask(
        encoder, TextEncoder(torch.randn(20, 8)), LossConfig(hardest=2), False, world, PixelPictures(np.zeros(0)),
        nothing, np.zeros(0), chunk,
    )  # fmt: skip
    batch = {
        "pictures": torch.randint(0, 256, (PAIRS, 16, 16, 3), dtype=torch.uint8),
        "words": torch.randint(3, 20, (PAIRS, 4)),
        "posts": torch.randint(3, 20, (PAIRS, 9)),
        "ids": torch.tensor([[0, 0, 0], [1, 1, 0], *[[n, n, n] for n in range(2, PAIRS)]]),
    }
    mine = slice(world.rank * PAIRS // world.size, (world.rank + 1) * PAIRS // world.size)
    model = DistributedDataParallel(task) if world.size > 1 else task
    losses = model({name: value[mine] for name, value in batch.items()})
    sum(losses.values()).backward()
    told = {f"grad {name}": p.grad for name, p in task.named_parameters() if p.grad is not None}
    told |= {name: mean_over_ranks(loss.detach(), world) for name, loss in losses.items()}
    if world.is_main:
        torch.save(told, path)


if __name__ == "__main__":
    # In a function of its own: a DDP model that outlives its process group may hang in its destructor.
    with open_world() as here:
        work(sys.argv[1], int(sys.argv[2]), here)
