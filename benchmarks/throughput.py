"""How much of a machine's speed reaches the pictures: training, embedding and decoding beside the bare operations.

    OMP_NUM_THREADS=1 python benchmarks/throughput.py                       # its own small sample world: 3 minutes
    OMP_NUM_THREADS=1 python benchmarks/throughput.py --posts runs/prepare  # train and embed the pictures of a run

Training is the loop of `stylecast pretrain` with its loader, augmentation, losses and optimiser. It is told as a share
of the bare forward and backward pass of the same encoder on the same tensor, and of the whole task's, so that what the
losses cost is told apart from what the loop costs. Both sides are measured in turns, so that a busy machine slows both;
a figure is the median over the repeats, with least and greatest. Processes and threads are programs of their own.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
import tyro
from torch import Tensor

from data.pictures import decode
from data.prepare import PrepareConfig
from data.prepare import main as prepare
from data.sample import SampleConfig
from data.sample import main as sample
from pretrain.encoder import build_encoder
from pretrain.recipes import RECIPES
from pretrain.task import PretrainTask
from pretrain.train import Lessons, PretrainConfig, new_task, read_lessons
from recall.embeddings import write_picture_embeddings
from stylecast.cli import guarded
from stylecast.errors import UserError
from stylecast.logs import set_up_logging
from stylecast.loop import Task, train
from stylecast.world import World, open_world

WARM = 5  # steps before the clock counts
LARGE = (1440, 1080)  # height and width of a telephone's picture, pixels


@dataclass(frozen=True)
class ThroughputConfig:
    """What is measured, and how often."""

    posts: Path | None = None
    """Run folder of `prepare`; by default a small sample world is made."""
    recipe: str = "small"
    """Recipe of `pretrain` whose encoder, losses and batch are measured."""
    steps: int = 25
    """Training steps of a repeat, after five that do not count, steps."""
    pictures: int = 2048
    """Most pictures that a repeat embeds, pictures."""
    repeats: int = 7
    """How often each side is measured; programs of their own half as often."""
    only: Literal["all", "training"] = "all"
    """`training`: print what this process, or these under torchrun, train a second, as JSON; this is how the benchmark
    calls itself."""


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


def setting(config: ThroughputConfig, posts: Path, world: World) -> Setting:
    """Everything that `stylecast pretrain` would train; each process has the recipe's batch to itself."""
    if config.recipe not in RECIPES:
        raise UserError(f"--recipe {config.recipe}: unknown; there are: {', '.join(RECIPES)}")
    recipe = RECIPES[config.recipe]()
    loop = replace(recipe.loop, batch_size=recipe.loop.batch_size * world.size, evaluate_every=10**9,
                   max_steps=config.steps + WARM, min_steps=config.steps + WARM, checkpoint_seconds=1e9)  # fmt: skip
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
        enabled = on.config.loop.precision == "bf16"
        with torch.autocast(on.world.device.type, torch.bfloat16, enabled=enabled):
            loss = work(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        loss.item()  # a GPU works behind our back until it is asked
        took.append(time.perf_counter() - started)
    return float(np.median(took[WARM:]))


def told(values: list[float]) -> str:
    """Median, and least to greatest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def training_rows(on: Setting, config: ThroughputConfig) -> list[tuple[str, ...]]:
    """The loop's step, as a share of the encoder's pass and of the task's."""
    speed, of_encoder, of_task = [], [], []
    for _ in range(config.repeats):
        encoder = bare_seconds(on, config.steps, lambda batch: on.task.encoder(batch["pictures"]).square().mean())
        step = training_seconds(on)
        task = bare_seconds(on, config.steps, lambda batch: torch.stack(list(on.task(batch).values())).sum())
        speed.append(on.config.loop.batch_size / step)
        of_encoder.append(encoder / step)
        of_task.append(task / step)
    rate = f"{statistics.median(speed):,.0f}"
    return [("training step / encoder's forward and backward", rate, told(of_encoder)),
            ("training step / encoder's and losses' forward and backward", rate, told(of_task))]  # fmt: skip


def embedding_row(on: Setting, config: ThroughputConfig) -> tuple[str, ...]:
    """From the picture cache to the files of embeddings, as a share of the encoder's forward pass."""
    pictures = on.lessons.training.pictures
    count = min(config.pictures, len(pictures)) // 256 * 256
    if count == 0:
        raise UserError(f"{on.config.posts}: fewer than 256 pictures; give a larger run")
    some = replace(pictures, images_NSSC=pictures.images_NSSC[:count])  # type: ignore[type-var]
    ready = [some.batch(np.arange(start, start + 256)).to(on.world.device) for start in range(0, count, 256)]
    encoder, speed, share = on.task.encoder.to(on.world.device).eval(), [], []
    for _ in range(config.repeats):
        started = time.perf_counter()
        with torch.inference_mode():
            for batch in ready:
                encoder(batch).sum().item()
        bare = time.perf_counter() - started
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            write_picture_embeddings(encoder, some, np.arange(count).astype(str), Path(folder))
            took = time.perf_counter() - started
        speed.append(count / took)
        share.append(bare / took)
    return "embedding / encoder's forward", f"{statistics.median(speed):,.0f}", told(share)


def decoding_row(name: str, folder: Path, paths: list[str], config: ThroughputConfig) -> tuple[str, ...]:
    """Files to checked, upright squares, as a share of OpenCV's read and resize alone."""
    size, least = PrepareConfig.picture_size, PrepareConfig.min_contrast
    speed, share = [], []
    for _ in range(config.repeats):
        started = time.perf_counter()
        for path in paths:
            image = cv2.cvtColor(cv2.imread(str(folder / path)), cv2.COLOR_BGR2RGB)
            cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        plain = time.perf_counter() - started
        started = time.perf_counter()
        for path in paths:
            decode(folder, path, size, least)
        took = time.perf_counter() - started
        speed.append(len(paths) / took)
        share.append(plain / took)
    return f"decoding {name} / OpenCV", f"{statistics.median(speed):,.0f}", told(share)


def picture_files(world: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Readable pictures of the sample world, and some of them as large as a telephone takes them."""
    small = [path for path in sorted((world / "images").rglob("*.*"))[:400] if cv2.imread(str(path)) is not None]
    folder.mkdir()
    for number, path in enumerate(small[:40]):
        large = cv2.resize(cv2.imread(str(path)), LARGE[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number}.jpg"), large, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return [str(path.relative_to(world)) for path in small], sorted(path.name for path in folder.iterdir())


def in_program(config: ThroughputConfig, posts: Path, processes: int, threads: int) -> float:
    """Pictures a second that a program of its own trains, under torchrun."""
    flags = ["--posts", str(posts), "--recipe", config.recipe, "--steps", str(config.steps), "--only", "training"]
    ended = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), __file__,
         *flags], env={**os.environ, "OMP_NUM_THREADS": str(threads)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode:
        raise UserError(f"{processes} processes failed: {ended.stderr.strip().splitlines()[-1]}")
    return float(json.loads(ended.stdout.strip().splitlines()[-1])["pictures_per_second"])


def spread_rows(config: ThroughputConfig, posts: Path) -> list[tuple[str, ...]]:
    """Two processes, and two threads, as a multiple of one."""
    ways = {"one process, one thread": (1, 1), "two processes / one": (2, 1), "two threads / one": (1, 2)}
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range((config.repeats + 1) // 2):
        for name, (processes, threads) in ways.items():
            speeds[name].append(in_program(config, posts, processes, threads))
    first, *others = ways
    rows = [(first, f"{statistics.median(speeds[first]):,.0f}", "")]
    return rows + [
        (name, f"{statistics.median(speeds[name]):,.0f}",
         told([speed / one for speed, one in zip(speeds[name], speeds[first], strict=True)]))
        for name in others
    ]  # fmt: skip


def main(config: ThroughputConfig) -> str:
    """The table, as text.

    Raises:
        UserError: an unknown recipe, or too few pictures.
    """
    with open_world() as world, tempfile.TemporaryDirectory() as place:
        if config.only == "training":
            if config.posts is None:
                raise UserError("--only training: give --posts")
            on = setting(config, config.posts, world)
            step = training_seconds(on)
            return json.dumps({"pictures_per_second": on.config.loop.batch_size / step}) if world.is_main else ""
        folder = Path(place)
        drawn = sample(SampleConfig(out=folder / "world", posts=1500, days=365))
        posts = config.posts or prepare(PrepareConfig(posts=drawn / "posts.csv", out=folder / "prepare"))
        small, large = picture_files(drawn, folder / "large")
        on = setting(config, posts, world)
        rows = training_rows(on, config)
        rows.append(embedding_row(on, config))
        rows.append(decoding_row("sample pictures", drawn, small, config))
        rows.append(decoding_row(f"JPEG of {LARGE[1]}×{LARGE[0]}", folder / "large", large, config))
        rows += spread_rows(config, posts)
    shape = "×".join(map(str, on.lessons.training.pictures.images_NSSC.shape[1:3]))  # type: ignore[attr-defined]
    title = (f"Recipe {config.recipe}: pictures of {shape} px, batch {on.config.loop.batch_size} a process, "
             f"{on.config.loop.precision}, {torch.get_num_threads()} thread(s)")  # fmt: skip
    lines = [title, "", "| | pictures/s | ratio |", "|---|---|---|", *("| " + " | ".join(row) + " |" for row in rows)]
    return "\n".join(lines)


if __name__ == "__main__":
    set_up_logging(-1)
    sys.exit(guarded(lambda: main(tyro.cli(ThroughputConfig, description=__doc__)) or None, verbose=True))
