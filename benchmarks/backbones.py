"""Which small backbone learns most in the same training time on a CPU?

    python benchmarks/backbones.py --posts runs/demo/run/prepare --seconds 60 --seeds 0 1 2

Every design gets the same budget in seconds of process CPU time, data loading included: after a short warm-up the time
of its step is measured, and it trains for as many steps as fit, with the learning rate falling over just these.
Held-out tag mAP (more is better) and caption perplexity (less is better) are those of the last step; median over the
seeds, then least and most. `CPU s` tells what the training really took, in seconds. Allow designs × seeds ×
(seconds + 10 s). Run it with OMP_NUM_THREADS=1 on an idle machine.
"""

import copy
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional as F

from pretrain.backbones import SmallBackbone
from pretrain.encoder import HALF, EncoderConfig, PixelEncoder
from pretrain.recipes import small
from pretrain.train import Lessons, PretrainConfig, new_task, read_lessons
from stylecast.cli import guarded
from stylecast.errors import UserError
from stylecast.logs import set_up_logging
from stylecast.loop import LoopConfig, train
from stylecast.precision import autocast
from stylecast.world import World, open_world

WARM, TIMED = 5, 15  # steps before the clock starts, and steps on the clock
EVALUATED = ("tag_map", "caption_perplexity")


class DepthwiseBlock(nn.Module):
    """Depthwise 7×7, then two pointwise layers (Liu et al., "A ConvNet for the 2020s", 2022), with GroupNorm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.GroupNorm(1, channels)
        self.up, self.down = nn.Conv2d(channels, 4 * channels, 1), nn.Conv2d(4 * channels, channels, 1)

    def forward(self, x_BCSS: Tensor) -> Tensor:
        """A map of the same shape."""
        return x_BCSS + self.down(F.gelu(self.up(self.norm(self.spatial(x_BCSS)))))


def depthwise(channels: tuple[int, ...]) -> nn.Module:
    """4×4 patches, one depthwise block a level, each further level halves the map."""
    layers: list[nn.Module] = [nn.Conv2d(3, channels[0], 4, stride=4)]
    for level, width in enumerate(channels):
        if level:
            layers += [nn.GroupNorm(1, channels[level - 1]), nn.Conv2d(channels[level - 1], width, 2, stride=2)]
        layers.append(DepthwiseBlock(width))
    return nn.Sequential(*layers, nn.GroupNorm(1, channels[-1]))


def overlapping(channels: tuple[int, ...]) -> nn.Module:
    """Today's residual net behind two 3×3 convolutions of stride 2 instead of 4×4 patches."""
    plain = SmallBackbone(channels, 1)
    half = channels[0] // 2
    stem = [nn.Conv2d(3, half, 3, stride=2, padding=1), nn.GroupNorm(8, half), nn.ReLU(),
            nn.Conv2d(half, channels[0], 3, stride=2, padding=1)]  # fmt: skip
    return nn.Sequential(*stem, *list(plain.layers)[1:])


class TinyTransformer(nn.Module):
    """8×8 patches with learned positions, then pre-norm blocks (Dosovitskiy et al. 2021)."""

    def __init__(self, side: int, dim: int, depth: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, dim, 8, stride=8)
        self.place_RC = nn.Parameter(0.02 * torch.randn((side // 8) ** 2, dim))
        block = nn.TransformerEncoderLayer(dim, 4, 4 * dim, 0.0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, depth, nn.LayerNorm(dim), enable_nested_tensor=False)

    def forward(self, x_BCSS: Tensor) -> Tensor:
        """Tokens B×R×C."""
        return self.blocks(self.patches(x_BCSS).flatten(2).transpose(1, 2) + self.place_RC)


DESIGNS: dict[str, Callable[[int], nn.Module]] = {
    "residual 32-64-128, 1 block (default)": lambda side: SmallBackbone((32, 64, 128), 1),
    "residual 32-64-128, 2 blocks": lambda side: SmallBackbone((32, 64, 128), 2),
    "residual 24-48-96, 1 block": lambda side: SmallBackbone((24, 48, 96), 1),
    "residual 48-96-192, 1 block": lambda side: SmallBackbone((48, 96, 192), 1),
    "overlapping stem 32-64-128": lambda side: overlapping((32, 64, 128)),
    "depthwise 48-96-192": lambda side: depthwise((48, 96, 192)),
    "transformer 128, 4 blocks": lambda side: TinyTransformer(side, 128, 4),
}


@dataclass(frozen=True)
class BackbonesConfig:
    """Compare small backbones at equal training time."""

    posts: Path = Path("runs/demo/run/prepare")
    """Run folder of `prepare`."""
    cut_off: str = ""
    """First day (YYYY-MM-DD) that nothing may learn from."""
    seconds: float = 60.0
    """Training time of each design and seed, seconds of process CPU time."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights, order and augmentation; the split is that of the first."""
    batch_size: int = 64
    """Pictures a step."""
    lr: float = 1e-3
    """Peak learning rate."""
    only: tuple[str, ...] = ()
    """Only designs whose name holds one of these; by default all."""


@dataclass(frozen=True)
class Result:
    """One design and seed."""

    parameters: int
    steps: int
    seconds: float
    metrics: dict[str, float]


def seconds_a_step(task: nn.Module, lessons: Lessons, config: BackbonesConfig) -> float:
    """CPU time of a training step, loading included, on a copy of the task."""
    task = copy.deepcopy(task).train()
    optimiser = torch.optim.AdamW(task.parameters(), lr=1e-4)
    generator, started = torch.Generator().manual_seed(0), 0.0
    for number in range(WARM + TIMED):
        if number == WARM:
            started = time.process_time()
        index = torch.randint(len(lessons.training), (config.batch_size,), generator=generator).numpy()
        batch = lessons.training.batch(index, generator)
        with autocast(torch.device("cpu"), "auto"):
            losses = task(batch)
        optimiser.zero_grad(set_to_none=True)
        sum(losses.values(), start=torch.zeros(())).backward()
        optimiser.step()
    return (time.process_time() - started) / TIMED


def learn(name: str, seed: int, lessons: Lessons, config: BackbonesConfig, pretrain: PretrainConfig,
          world: World) -> Result:  # fmt: skip
    """Train one design for its budget."""
    torch.manual_seed(seed)
    side = lessons.posts.images.shape[1]
    encoder = PixelEncoder(EncoderConfig(image_size=side), DESIGNS[name](side), HALF, None)
    task = new_task(pretrain, lessons, encoder)
    steps = max(1, int(config.seconds / seconds_a_step(task, lessons, config)))
    loop = LoopConfig(
        epochs=1, min_steps=steps, max_steps=steps, batch_size=config.batch_size, lr=config.lr, seed=seed,
        checkpoint_seconds=1e9,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        metrics = train(task, lessons.training, loop, world, Path(folder), monitor="tag_map", mode="max")
        spent = time.process_time() - started
    started = time.process_time()
    with torch.inference_mode():
        task.evaluate()
    spent -= time.process_time() - started  # the one validation, which is no training
    parameters = sum(p.numel() for p in encoder.backbone.parameters())
    return Result(parameters, steps, spent, metrics)


def row(name: str, results: list[Result]) -> tuple[str, ...]:
    """A design's line: medians, and the spread of the metrics."""

    def told(key: str) -> str:
        values = [r.metrics[key] for r in results]
        return f"{statistics.median(values):.4g} ({min(values):.4g}–{max(values):.4g})"

    return (name, f"{results[0].parameters:,}", f"{statistics.median(r.steps for r in results):.0f}",
            f"{statistics.median(r.seconds for r in results):.1f}", *(told(key) for key in EVALUATED))  # fmt: skip


def main(config: BackbonesConfig) -> str:
    """The table, as text."""
    names = [name for name in DESIGNS if not config.only or any(part in name for part in config.only)]
    if not names or not config.seeds or config.seconds <= 0:
        raise UserError(f"--only, --seeds or --seconds leave nothing to do; the designs are: {', '.join(DESIGNS)}")
    pretrain = replace(small(), posts=config.posts, cut_off=config.cut_off)
    pretrain = replace(pretrain, loop=replace(pretrain.loop, seed=config.seeds[0]))
    lessons = read_lessons(pretrain)
    found: dict[str, list[Result]] = {name: [] for name in names}
    with open_world() as world:
        for seed in config.seeds:  # seed by seed, so that a busy hour of the machine meets all designs alike
            for name in names:
                found[name].append(learn(name, seed, lessons, config, pretrain, world))
                sys.stderr.write(f"{' | '.join(row(name, found[name][-1:]))}\n")
    heads = ("backbone", "parameters", "steps", "CPU s", "tag mAP", "caption perplexity")
    title = (
        f"{config.seconds:g} s of CPU time each, {len(lessons.training)} pictures, "
        f"{len(lessons.held_out)} held out, seeds {' '.join(map(str, config.seeds))}"
    )
    lines = [title, "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row(name, found[name])) + " |" for name in names)])


if __name__ == "__main__":
    set_up_logging(-1)
    sys.exit(guarded(lambda: main(tyro.cli(BackbonesConfig, description=__doc__)), verbose=True))
