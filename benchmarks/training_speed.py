"""A step of `stylecast pretrain`'s loop beside the bare passes of its encoder and of its whole task."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pretrain.encoder import build_encoder
from pretrain.task import PretrainTask
from pretrain.train import Lessons, PretrainConfig, new_task, read_lessons
from stylecast.errors import UserError
from stylecast.loop import Task, train
from stylecast.precision import autocast
from stylecast.world import World

WARM = 5  # steps before the clock counts
VARIANTS: dict[str, Callable[[PretrainConfig], PretrainConfig]] = {
    " by AdamW": lambda recipe: replace(recipe, loop=replace(recipe.loop, optimiser="adamw")),
    " of a backbone of ResNet-18's size at 96 px": lambda recipe: replace(
        recipe, encoder=replace(recipe.encoder, channels=(64, 128, 256, 512), blocks=2, image_size=96)
    ),
}


class Timed(Task):
    """A task that notes when each of its steps began.

    Args:
        task: the real one.
    """

    def __init__(self, task: PretrainTask) -> None:
        super().__init__()
        self.task, self.began = task, list[float]()

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The task's losses."""
        self.began.append(time.perf_counter())
        return self.task(batch)  # type: ignore[no-any-return]

    def evaluate(self) -> dict[str, float]:
        """Nothing: validation is no part of a step."""
        return {"nothing": 0.0}


@dataclass(frozen=True)
class Setting:
    """A training, ready to start."""

    config: PretrainConfig
    lessons: Lessons
    task: PretrainTask
    world: World


def setting(recipe: PretrainConfig, steps: int, posts: Path, world: World) -> Setting:
    """Everything that `stylecast pretrain` would train; each process has the recipe's batch to itself."""
    loop = replace(recipe.loop, batch_size=recipe.loop.batch_size * world.size, evaluate_every=10**9,
                   max_steps=steps + WARM, min_steps=steps + WARM, checkpoint_seconds=1e9)  # fmt: skip
    chosen = replace(recipe, posts=posts, loop=loop)
    lessons = read_lessons(chosen)
    if len(lessons.training) < loop.batch_size:
        raise UserError(f"{posts}: {len(lessons.training)} training pictures do not fill a batch of {loop.batch_size}")
    return Setting(chosen, lessons, new_task(chosen, lessons, build_encoder(chosen.encoder)), world)


def training_seconds(on: Setting) -> float:
    """Median time of a step of the real loop."""
    timed = Timed(on.task)
    with tempfile.TemporaryDirectory() as folder:
        loop = on.config.loop
        train(timed, on.lessons.training, loop, on.world, Path(folder), monitor="nothing", mode="max")
    return float(np.median(np.diff(timed.began)[WARM:]))


def bare_seconds(on: Setting, steps: int, work: Callable[[dict[str, Tensor]], Tensor]) -> float:
    """Median time of one forward and backward pass on one batch, in the loop's precision."""
    batch = on.lessons.training.batch(np.arange(on.config.loop.batch_size), torch.Generator().manual_seed(0))
    batch = {name: tensor.to(on.world.device) for name, tensor in batch.items()}
    on.task.to(on.world.device).train()
    took = []
    for _ in range(steps + WARM):
        started = time.perf_counter()
        on.task.zero_grad(set_to_none=True)
        with autocast(on.world.device, on.config.loop.precision):
            loss = work(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        loss.item()  # a GPU works behind our back until it is asked
        took.append(time.perf_counter() - started)
    return float(np.median(took[WARM:]))


def told(values: list[float]) -> str:
    """Median, and least to greatest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def training_rows(on: Setting, steps: int, repeats: int, which: str = "") -> list[tuple[str, ...]]:
    """The loop's step, as a share of the encoder's pass and of the task's."""
    speed, of_encoder, of_task = [], [], []
    for _ in range(repeats):
        encoder = bare_seconds(on, steps, lambda batch: on.task.encoder(batch["pictures"]).square().mean())
        step = training_seconds(on)
        task = bare_seconds(on, steps, lambda batch: torch.stack(list(on.task(batch).values())).sum())
        speed.append(on.config.loop.batch_size / step)
        of_encoder.append(encoder / step)
        of_task.append(task / step)
    rate = f"{statistics.median(speed):,.0f}"
    return [(f"training step{which} / encoder's forward and backward", rate, told(of_encoder)),
            (f"training step{which} / encoder's and losses' forward and backward", rate, told(of_task))]  # fmt: skip
