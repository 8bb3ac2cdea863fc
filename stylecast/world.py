"""The processes of one training: alone, or as many as `torchrun` started.

A stage opens the world once, at the top of its `main`, and passes it on. Alone, every helper here is the
identity, so a stage reads the same on one CPU and on many GPUs.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import cv2
import torch
import torch.distributed as dist
from torch import Tensor

from stylecast.errors import UserError
from stylecast.memory import freed_memory_kept

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """Who this process is among the processes of a training."""

    rank: int
    """Number of this process, 0 to size - 1."""
    size: int
    """Processes in all."""
    local_rank: int
    """Number of this process on its machine; also the number of its GPU."""
    device: torch.device
    """Where its tensors live."""

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and speaks for the others."""
        return self.rank == 0


def _set_threads() -> None:
    """One thread a process, unless OMP_NUM_THREADS says otherwise.

    A second one gains little on an idle machine and costs several times as much on a busy one, since threads that
    wait for each other keep their core; several processes use several cores better. And sums then do not depend on
    how many cores a machine has. OpenCV has one in any case: for small pictures its others cost twice what they save.
    """
    cv2.setNumThreads(1)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def _device(local_rank: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        raise UserError(
            f"process {local_rank} has no GPU: this machine has {torch.cuda.device_count()}; start one process for each"
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


@contextmanager
def open_world(timeout_minutes: float = 60.0) -> Iterator[World]:
    """Join the processes that `torchrun` started, or stand alone; leave them even on an error.

    A process works with one thread, unless OMP_NUM_THREADS says otherwise, and keeps what it frees until it leaves.

    NCCL carries the tensors between GPUs, gloo between CPUs.

    Args:
        timeout_minutes: how long a process waits for the others, minutes. Rank 0 validates and writes
            while the others wait, so this must exceed the longest validation.

    Yields:
        The world of this process.

    Raises:
        UserError: there are GPUs, but fewer than processes on this machine.
    """
    _set_threads()
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    with freed_memory_kept():
        if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
            yield World(0, 1, 0, _device(0))
            return
        device = _device(local_rank)
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=timedelta(minutes=timeout_minutes))
        try:
            yield World(dist.get_rank(), dist.get_world_size(), local_rank, device)
        finally:
            dist.destroy_process_group()


class _GatherWithGrad(torch.autograd.Function):
    """Concatenate equal-sized tensors of all ranks; the gradient is summed over the ranks."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, local: Tensor) -> Tensor:
        parts = [torch.empty_like(local) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, local.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> Tensor:
        total = grad.contiguous().clone()
        dist.all_reduce(total)
        rows = total.shape[0] // dist.get_world_size()
        return total[dist.get_rank() * rows : (dist.get_rank() + 1) * rows]


def all_gather_with_grad(local: Tensor, world: World) -> Tensor:
    """Concatenate a tensor over the ranks, in rank order, with gradients.

    DistributedDataParallel divides gradients by the number of ranks, so a loss that is the mean over the
    local rows against the gathered columns gets the gradient of the mean over all rows.

    Args:
        local: B×…, the same shape on every rank.
        world: this process.

    Returns:
        (size·B)×…; `local` itself when the process is alone.
    """
    return local if world.size == 1 else _GatherWithGrad.apply(local)


def broadcast_object(value: T, world: World) -> T:
    """Give every rank what rank 0 holds (any object that Python can serialise)."""
    if world.size == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0, device=world.device)
    return box[0]


def mean_over_ranks(values: Tensor, world: World) -> Tensor:
    """Mean of a tensor over the ranks, on every rank."""
    if world.size == 1:
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total / world.size


def barrier(world: World) -> None:
    """Wait until every rank is here."""
    if world.size > 1:
        dist.barrier()
