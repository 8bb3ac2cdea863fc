"""How much of a machine's speed reaches the pictures: training, embedding and decoding beside the bare operations.

    OMP_NUM_THREADS=1 python benchmarks/throughput.py                       # its own small sample world: 3 minutes
    OMP_NUM_THREADS=1 python benchmarks/throughput.py --posts runs/prepare  # train and embed the pictures of a run

Training is the loop of `stylecast pretrain` with its loader, augmentation, losses and optimiser. It is told as a share
of the bare forward and backward pass of the same encoder on the same tensor, and of the whole task's, so that what the
losses cost is told apart from what the loop costs; with AdamW too, and for a larger backbone. The bare passes follow
each step of the loop, so that a busy machine slows all alike: a figure is the median of the steps' ratios, and of those
the median over the repeats, with least and greatest, by the clock on the wall and by the processor's time, which counts
the loader's threads too. Embedding and decoding are measured in turns; processes and threads are programs of their own.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
import tyro
from training_speed import VARIANTS, Setting, now_T, row, setting, told, training_rows, training_seconds

from data.pictures import decode
from data.prepare import PrepareConfig
from data.prepare import main as prepare
from data.sample import SampleConfig
from data.sample import main as sample
from pretrain.recipes import RECIPES
from recall.embeddings import write_picture_embeddings
from stylecast.cli import guarded
from stylecast.errors import UserError
from stylecast.logs import set_up_logging
from stylecast.precision import has_bf16
from stylecast.world import open_world

LARGE = (1440, 1080)  # height and width of a telephone's picture, pixels


@dataclass(frozen=True)
class ThroughputConfig:
    """What is measured, and how often."""

    posts: Path | None = None
    """Run folder of `prepare`; by default a small sample world is made."""
    picture_size: int = 96
    """Side that the pictures of that world are kept at, pixels: that of `stylecast run --recipe demo`; `stylecast
    prepare` keeps 64 by default."""
    recipe: str = "small"
    """Recipe of `pretrain` whose encoder, losses and batch are measured."""
    steps: int = 25
    """Training steps of a repeat, after five that do not count, steps."""
    pictures: int = 2048
    """Most pictures that a repeat embeds, pictures."""
    repeats: int = 7
    """How often each is measured; other training steps and programs of their own half as often."""
    variants: tuple[str, ...] = tuple(VARIANTS)
    """Which other training steps are measured beside the recipe's own."""
    only: Literal["all", "steps", "training"] = "all"
    """`steps`: training steps and embedding alone. `training`: print what this process, or these under torchrun, train
    a second, as JSON; this is how the benchmark calls itself."""


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
        started_T = now_T()
        with torch.inference_mode():
            for batch in ready:
                encoder(batch).sum().item()
        bare_T = now_T() - started_T
        with tempfile.TemporaryDirectory() as folder:
            started_T = now_T()
            write_picture_embeddings(encoder, some, np.arange(count).astype(str), Path(folder))
            took_T = now_T() - started_T
        speed.append(count / took_T[0])
        share.append(bare_T / took_T)
    return row("embedding / encoder's forward", speed, share)


def decoding_row(name: str, folder: Path, paths: list[str], config: ThroughputConfig) -> tuple[str, ...]:
    """Files to checked, upright squares, as a share of OpenCV's read and resize alone."""
    size, least = config.picture_size, PrepareConfig.min_contrast
    speed, share = [], []
    for _ in range(config.repeats):
        started_T = now_T()
        for path in paths:
            image = cv2.cvtColor(cv2.imread(str(folder / path)), cv2.COLOR_BGR2RGB)
            cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        plain_T = now_T() - started_T
        started_T = now_T()
        for path in paths:
            decode(folder, path, size, least)
        took_T = now_T() - started_T
        speed.append(len(paths) / took_T[0])
        share.append(plain_T / took_T)
    return row(f"decoding {name} / OpenCV", speed, share)


def picture_files(world: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Readable pictures of the sample world, and some of them as large as a telephone takes them."""
    small = [path for path in sorted((world / "images").rglob("*.*"))[:400] if cv2.imread(str(path)) is not None]
    folder.mkdir()
    for number, path in enumerate(small[:40]):
        large = cv2.resize(cv2.imread(str(path)), LARGE[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number}.jpg"), large, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return [str(path.relative_to(world)) for path in small], sorted(path.name for path in folder.iterdir())


def decoding_rows(world: Path, folder: Path, config: ThroughputConfig) -> list[tuple[str, ...]]:
    """Pictures as the sample world has them, and as a telephone takes them."""
    small, large = picture_files(world, folder)
    return [decoding_row("sample pictures", world, small, config),
            decoding_row(f"JPEG of {LARGE[1]}×{LARGE[0]}", folder, large, config)]  # fmt: skip


def _drawn(place: Path) -> Path:
    return sample(SampleConfig(out=place / "world", posts=1500, days=365))  # drawn once: it is up to date afterwards


def _prepared(place: Path, size: int) -> Path:
    return prepare(PrepareConfig(posts=_drawn(place) / "posts.csv", out=place / "prepare", picture_size=size))


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
    rows = [(first, f"{statistics.median(speeds[first]):,.0f}", "", "")]
    return rows + [
        (name, f"{statistics.median(speeds[name]):,.0f}",
         told([speed / one for speed, one in zip(speeds[name], speeds[first], strict=True)]), "")
        for name in others
    ]  # fmt: skip


def table(rows: list[tuple[str, ...]], on: Setting) -> str:
    """What was measured, and on what, as text."""
    shape = "×".join(map(str, on.lessons.training.pictures.images_NSSC.shape[1:3]))  # type: ignore[attr-defined]
    loop = on.config.loop
    precision = ("bf16" if has_bf16(on.world.device) else "fp32") if loop.precision == "auto" else loop.precision
    title = (f"Pictures of {shape} px, batch {loop.batch_size} a process, {loop.optimiser}, {precision}, "
             f"{torch.get_num_threads()} thread(s)")  # fmt: skip
    lines = [
        title,
        "",
        "| | pictures/s | ratio | by processor's time |",
        "|---|---|---|---|",
        *("| " + " | ".join(line) + " |" for line in rows),
    ]
    return "\n".join(lines)


def main(config: ThroughputConfig) -> str:
    """The table, as text.

    Raises:
        UserError: an unknown recipe or variant, or too few pictures.
    """
    if config.recipe not in RECIPES:
        raise UserError(f"--recipe {config.recipe}: unknown; there are: {', '.join(RECIPES)}")
    if set(config.variants) - set(VARIANTS):
        raise UserError(f"--variants: choose from: {', '.join(VARIANTS)}")
    recipe = RECIPES[config.recipe]()
    with open_world() as world, tempfile.TemporaryDirectory() as place:
        if config.only == "training":
            if config.posts is None:
                raise UserError("--only training: give --posts")
            on = setting(recipe, config.steps, config.posts, world)
            step_T = training_seconds(on)
            return json.dumps({"pictures_per_second": on.config.loop.batch_size / step_T[0]}) if world.is_main else ""
        posts = config.posts or _prepared(Path(place), config.picture_size)
        on = setting(recipe, config.steps, posts, world)
        rows = training_rows(on, config.repeats)
        for which in config.variants:
            steps, repeats = max(5, config.steps // 3), (config.repeats + 1) // 2
            rows += training_rows(setting(VARIANTS[which](recipe), steps, posts, world), repeats, which)
        rows.append(embedding_row(on, config))
        if config.only == "steps":
            return table(rows, on)
        rows += decoding_rows(_drawn(Path(place)), Path(place) / "large", config)
        rows += spread_rows(config, posts)
    return table(rows, on)


if __name__ == "__main__":
    set_up_logging(-1)
    sys.exit(guarded(lambda: main(tyro.cli(ThroughputConfig, description=__doc__)) or None, verbose=True))
