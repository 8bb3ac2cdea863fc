"""A step of `stylecast pretrain`'s loop beside the bare passes of its encoder and of its whole task.

Shapes: S steps, T the two clocks: that on the wall, and that of the processor's time of this process.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from pretrain.encoder import build_encoder
from pretrain.task import PretrainTask
from pretrain.train import Lessons, PretrainConfig, new_task, read_lessons
from stylecast.errors import UserError
from stylecast.loop import Task, train
from stylecast.precision import autocast
from stylecast.world import World

WARM = 5  # steps before the clock counts
VARIANTS: dict[str, Callable[[PretrainConfig], PretrainConfig]] = {
    "by AdamW": lambda recipe: replace(recipe, loop=replace(recipe.loop, optimiser="adamw")),
    "of a backbone of ResNet-18's size": lambda recipe: replace(
        recipe, encoder=replace(recipe.encoder, channels=(64, 128, 256, 512), blocks=2)
    ),
}


def now_T() -> np.ndarray:
    """Both clocks, seconds; the processor's is the steadier one where other programs run."""
    return np.array([time.perf_counter(), time.process_time()])


class Timed(Task):
    """A task that notes when each of its steps began.

    Args:
        task: the real one.
    """

    def __init__(self, task: PretrainTask) -> None:
        super().__init__()
        self.task, self.began = task, list[np.ndarray]()

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The task's losses."""
        self.began.append(now_T())
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


def training_seconds(on: Setting) -> np.ndarray:
    """Median time of a step of the real loop; by both clocks."""
    timed = Timed(on.task)
    with tempfile.TemporaryDirectory() as folder:
        loop = on.config.loop
        train(timed, on.lessons.training, loop, on.world, Path(folder), monitor="nothing", mode="max")
    return np.asarray(np.median(np.diff(timed.began, axis=0)[WARM:], axis=0))


def turns(on: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The real loop, and after each of its steps the bare passes: the encoder's, and that of the whole task.

    The loader begins its next batch after them, so that the step pays for it.

    Returns:
        Seconds of each step and of each of the two passes, in the loop's precision, S×T.
    """
    batch = on.lessons.training.batch(np.arange(on.config.loop.batch_size), torch.Generator().manual_seed(0))
    batch = {name: tensor.to(on.world.device) for name, tensor in batch.items()}
    marks: list[list[np.ndarray]] = []

    def bare(loss_of: Callable[[], Tensor]) -> np.ndarray:
        on.task.zero_grad(set_to_none=True)
        with autocast(on.world.device, on.config.loop.precision):
            loss = loss_of()
        loss.backward()  # type: ignore[no-untyped-call]
        loss.item()  # a GPU works behind our back until it is asked
        return now_T()

    def beside(*_: object) -> None:
        ended_T = now_T()
        encoder_T = bare(lambda: on.task.encoder(batch["pictures"]).square().mean())
        marks.append([ended_T, encoder_T, bare(lambda: torch.stack(list(on.task(batch).values())).sum())])

    handle = register_optimizer_step_post_hook(beside)
    try:
        training_seconds(on)
    finally:
        handle.remove()
    marks_S3T = np.array(marks)
    step_ST = marks_S3T[1:, 0] - marks_S3T[:-1, 2]
    encoder_ST, task_ST = np.diff(marks_S3T[1:], axis=1).swapaxes(0, 1)
    return step_ST[WARM:], encoder_ST[WARM:], task_ST[WARM:]


def told(values: list[float]) -> str:
    """Median, and least to greatest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def row(name: str, speed: list[float], share_T: list[np.ndarray]) -> tuple[str, ...]:
    """A line of the table: pictures a second, and the ratio by both clocks."""
    by_wall, by_processor = np.transpose(share_T).tolist()
    return name, f"{statistics.median(speed):,.0f}", told(by_wall), told(by_processor)


def training_rows(on: Setting, repeats: int, which: str = "") -> list[tuple[str, ...]]:
    """The loop's step, as a share of the encoder's pass and of the task's."""
    speed, of_encoder, of_task = [], [], []
    for _ in range(repeats):
        step_ST, encoder_ST, task_ST = turns(on)
        speed.append(float(on.config.loop.batch_size / np.median(step_ST[:, 0])))
        of_encoder.append(np.median(encoder_ST / step_ST, axis=0))
        of_task.append(np.median(task_ST / step_ST, axis=0))
    name = f"training step {which}".strip()
    return [row(f"{name} / encoder's forward and backward", speed, of_encoder),
            row(f"{name} / encoder's and losses' forward and backward", speed, of_task)]  # fmt: skip
