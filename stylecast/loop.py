"""The one training loop: every neural stage is a task that this loop trains.

Shapes: none here; a batch is a dict of tensors whose first axis is the example.

A task holds the model and its loss. It takes a batch and returns named losses, each a mean over the
batch; their sum is minimised. A training that was killed and started again from its checkpoint takes exactly the
steps that it would have taken (`stylecast.chance`).
"""

import gc
import json
import logging
import math
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from stylecast.chance import mixed, permutation, seed_torch
from stylecast.checkpoint import load_checkpoint, save_checkpoint
from stylecast.errors import UserError
from stylecast.loader import made_ahead
from stylecast.logs import progress
from stylecast.muon import Muon, build_optimiser
from stylecast.precision import Precision, autocast
from stylecast.scalars import Scalars
from stylecast.world import World, broadcast_object, mean_over_ranks

log = logging.getLogger(__name__)
CHECKPOINT = "checkpoint.safetensors"


class Task(nn.Module):
    """A model and its loss."""

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Named scalar losses of a batch, each a mean over its examples."""
        raise NotImplementedError

    def evaluate(self) -> dict[str, float]:
        """Metrics on the validation data; called on rank 0, in eval and inference mode."""
        raise NotImplementedError

    def learning_rates(self) -> dict[str, float]:
        """Parameters by name that learn at another rate than the loop's, as a share of it; here none."""
        return {}

    @property
    def mines(self) -> bool:
        """Whether what batches are made of depends on the model: none is then made before its epoch begins."""
        return False

    def mine(self, epoch: int, begun: bool) -> None:
        """Called on all ranks before the first batch of an epoch, where the task mines.

        Args:
            epoch: from 0.
            begun: the epoch goes on after a checkpoint: what was mined must come from the task's buffers.
        """


class Batches(Protocol):
    """The training examples, addressed by number."""

    def __len__(self) -> int:
        """Number of examples."""
        ...

    def batch(self, index: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        """The examples of these numbers as CPU tensors; augmentation draws from the generator.

        Threads call this for several steps at once, so it must change nothing and draw from nothing else.
        """
        ...


@dataclass(frozen=True)
class LoopConfig:
    """How to train."""

    epochs: int = 10
    """Passes over the training examples."""
    min_steps: int = 0
    """Take at least this many steps: small data gets more passes, steps."""
    max_steps: int = 0
    """Stop after this many steps, steps; 0 = no limit."""
    batch_size: int = 128
    """Examples a step, over all processes."""
    accumulate: int = 1
    """Split a step into this many micro-batches, to save memory."""
    optimiser: Literal["adamw", "muon"] = "adamw"
    """adamw; or muon: layers from scratch learn in fewer steps, for all directions of a weight move alike (layers of
    a pretrained model are tuned by adamw still)."""
    lr: float = 1e-3
    """Peak learning rate."""
    weight_decay: float = 0.01
    """Decoupled weight decay of matrices (biases, norms and scales have none)."""
    warmup: float = 0.05
    """Share of all steps over which the learning rate rises from 0; a cosine follows."""
    clip_norm: float = 1.0
    """Largest norm of the gradient; 0 = not clipped."""
    precision: Precision = "auto"
    """bf16: autocast to bfloat16; fp32: no autocast; auto: bf16 where the GPU or CPU multiplies it natively, which is
    several times faster, and fp32 elsewhere, where bf16 is many times slower."""
    evaluate_every: int = 1
    """Validate after this many epochs."""
    patience: int = 0
    """Stop after this many validations without a better one; 0 = never early."""
    workers: int = 2
    """Threads that make the batches of the coming steps, threads; 0 = made when needed."""
    checkpoint_seconds: float = 60.0
    """Seconds between checkpoints; 0 = after every step."""
    seed: int = 0
    """Seed of the order of examples, augmentation and dropout."""


@dataclass
class _State:
    """Where a training stands; all that a checkpoint holds beside the tensors."""

    step: int = 0
    best: float = math.nan
    best_metrics: dict[str, float] | None = None
    bad: int = 0
    stopped: bool = False


def _learning_rate(config: LoopConfig, step: int, total: int) -> float:
    warm = max(1, round(config.warmup * total))
    if step < warm:
        return config.lr * (step + 1) / warm
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def _optimiser(task: Task, config: LoopConfig) -> Muon:
    return build_optimiser(task, task.learning_rates(), config.optimiser == "muon", config.lr, config.weight_decay)


class _Trainer:
    """One training; a class only because its state would be ten arguments."""

    def __init__(
        self, task: Task, batches: Batches, config: LoopConfig, world: World, folder: Path,
        monitor: str, mode: Literal["max", "min"],
    ) -> None:  # fmt: skip
        if len(batches) == 0:
            raise UserError("there is nothing to train on: the training split has no examples; add posts")
        micro = world.size * config.accumulate
        self.batch_size = min(config.batch_size, len(batches)) // micro * micro
        if config.batch_size % micro or self.batch_size == 0:
            raise UserError(
                f"--loop.batch-size {config.batch_size} must be a multiple of processes × accumulate = {micro}, "
                f"and there must be at least as many examples ({len(batches)})"
            )
        self.task, self.batches, self.config, self.world = task.to(world.device), batches, config, world
        self.folder, self.monitor, self.mode = folder, monitor, mode
        self.steps_per_epoch = len(batches) // self.batch_size
        total = max(config.epochs * self.steps_per_epoch, config.min_steps)
        self.total = min(total, config.max_steps) if config.max_steps else total
        self.epochs = math.ceil(self.total / self.steps_per_epoch)
        # Many short epochs (small data, min_steps) are validated no more often than `epochs` asked for.
        self.evaluate_every = max(config.evaluate_every, round(self.epochs / max(1, config.epochs)))
        self.optimiser = _optimiser(task, config)
        self.model: nn.Module = self.task
        if world.size > 1:
            ids = [world.local_rank] if world.device.type == "cuda" else None
            self.model = DistributedDataParallel(self.task, device_ids=ids)
        self.state = _State()
        self.best_weights: dict[str, Tensor] = {}
        self.scalars = Scalars(folder) if world.is_main else None

    def run(self) -> dict[str, float]:
        """Train from the checkpoint, if any, to the end; best weights end up in the task."""
        self._resume()
        saved = time.monotonic()
        steps = range(self.state.step, 0 if self.state.stopped else self.total)
        # Closed even on an error: threads that go on making batches would keep the process alive.
        with closing(self._batches(steps)) as loader:
            for step, parts in zip(progress(steps, "training", unit="step"), loader, strict=True):
                losses = self._step(step, parts)
                self.state.step = step + 1
                self._record("loss", {"total": sum(losses.values()), **losses}, step)
                ends_epoch = (step + 1) % self.steps_per_epoch == 0
                epoch = (step + 1) // self.steps_per_epoch
                if (ends_epoch and epoch % self.evaluate_every == 0) or step + 1 == self.total:
                    self._validate(losses)
                if time.monotonic() - saved >= self.config.checkpoint_seconds:
                    self._save()
                    saved = time.monotonic()
                if self.state.stopped:
                    break
        self._save()
        self._restore_best()
        if self.scalars:
            self.scalars.close()
        return dict(self.state.best_metrics or {})

    def _batches(self, steps: range) -> Generator[list[dict[str, Tensor]], None, None]:
        """The micro-batches of each step, made ahead: across epochs too, but for a task that mines before each."""
        if not self.task.mines:
            yield from made_ahead(self._load, steps, self.config.workers)
            return
        while steps:
            epoch, position = divmod(steps.start, self.steps_per_epoch)
            self.task.eval()
            with torch.inference_mode():
                self.task.mine(epoch, position > 0)
            here = steps[: self.steps_per_epoch - position]
            yield from made_ahead(self._load, here, self.config.workers)
            steps = steps[len(here) :]

    def _load(self, step: int) -> list[dict[str, Tensor]]:
        """The micro-batches of this rank for a step, on the CPU."""
        config, world = self.config, self.world
        epoch, position = divmod(step, self.steps_per_epoch)
        order = permutation(config.seed, epoch, len(self.batches))
        rows = order[position * self.batch_size : (position + 1) * self.batch_size]
        generator = torch.Generator().manual_seed(mixed(config.seed, step, world.rank))
        # Each rank takes a contiguous part, so that ranks in order are the whole batch in order.
        mine = [np.split(part, world.size)[world.rank] for part in np.split(rows, config.accumulate)]
        return [self.batches.batch(part, generator) for part in mine]

    def _step(self, step: int, parts: list[dict[str, Tensor]]) -> dict[str, float]:
        config, world = self.config, self.world
        seed_torch(mixed(config.seed + 1, step, world.rank), world.device)
        for group in self.optimiser.param_groups:
            group["lr"] = group["share"] * _learning_rate(config, step, self.total)
        self.model.train()
        self.optimiser.zero_grad(set_to_none=True)
        means: dict[str, Tensor] = {}
        for number, part in enumerate(parts):
            batch = {k: v.to(world.device) for k, v in part.items()}
            last = number == config.accumulate - 1
            for name, loss in self._backward(batch, sync=last).items():
                means[name] = means.get(name, 0.0) + loss / config.accumulate
        names = sorted(means)
        values = mean_over_ranks(torch.stack([means[n].float() for n in names]), world)
        # A mean over the ranks is not finite on all of them as soon as it is on one: they stop together.
        if not bool(torch.isfinite(values).all()):
            told = {n: float(v) for n, v in zip(names, values, strict=True)}
            raise UserError(
                f"the loss is not finite at step {step}: {told}; lower --loop.lr or use --loop.precision fp32"
            )
        if config.clip_norm:
            nn.utils.clip_grad_norm_(self.task.parameters(), config.clip_norm)
        self.optimiser.step()
        return {n: float(v) for n, v in zip(names, values, strict=True)}

    def _backward(self, batch: dict[str, Tensor], sync: bool) -> dict[str, Tensor]:
        if isinstance(self.model, DistributedDataParallel):
            self.model.require_backward_grad_sync = sync
        with autocast(self.world.device, self.config.precision):
            losses = self.model(batch)
        total = sum(losses.values(), start=torch.zeros((), device=self.world.device))
        (total / self.config.accumulate).backward()
        return {name: loss.detach() for name, loss in losses.items()}

    def _validate(self, losses: dict[str, float]) -> None:
        metrics: dict[str, float] = {}
        if self.world.is_main:
            self.task.eval()
            with torch.inference_mode():
                metrics = self.task.evaluate()
        metrics = broadcast_object(metrics, self.world)
        if self.monitor not in metrics:
            raise KeyError(f"the task's metrics {sorted(metrics)} lack the monitored {self.monitor!r}")
        self._record("valid", metrics, self.state.step)
        value, state = metrics[self.monitor], self.state
        better = math.isnan(state.best) or (value > state.best if self.mode == "max" else value < state.best)
        if better:
            state.best, state.best_metrics, state.bad = value, metrics, 0
            self.best_weights = {k: v.detach().cpu().clone() for k, v in self.task.state_dict().items()}
        else:
            state.bad += 1
            state.stopped = bool(self.config.patience) and state.bad >= self.config.patience
        told = " ".join(f"{k} {v:.4f}" for k, v in {**losses, **metrics}.items())
        epoch = state.step / self.steps_per_epoch
        log.info("epoch %.1f/%d: %s%s", epoch, self.epochs, told, " (best so far)" if better else "")

    def _record(self, group: str, values: dict[str, float], step: int) -> None:
        if self.scalars:
            for name, value in values.items():
                self.scalars.add(f"{group}/{name}", value, step)

    def _save(self) -> None:
        # Rank 0 alone decides by its clock, and nobody waits: ranks that disagree on the time would wait forever.
        if self.scalars:
            self.scalars.flush()
            identity = {"total": self.total, "batch_size": self.batch_size, "examples": len(self.batches)}
            save_checkpoint(
                self.folder / CHECKPOINT, self.task.state_dict(), self.optimiser, self.best_weights,
                json.dumps({"state": self.state.__dict__, "identity": identity}),
            )  # fmt: skip

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT
        if not broadcast_object(path.exists(), self.world):
            return
        weights, self.best_weights, told = load_checkpoint(path, self.optimiser)
        identity = {"total": self.total, "batch_size": self.batch_size, "examples": len(self.batches)}
        content = json.loads(told)
        if content["identity"] != identity:
            raise UserError(f"{path} belongs to another training ({content['identity']} ≠ {identity}); use --force")
        self.task.load_state_dict(weights)
        self.state = _State(**content["state"])
        log.info("going on from step %d of %d (%s)", self.state.step, self.total, path)

    def _restore_best(self) -> None:
        if self.best_weights:
            self.task.load_state_dict(self.best_weights)
        self.task.eval()
        # A DistributedDataParallel that outlives its process group may hang in its destructor.
        self.model = self.task
        gc.collect()


def train(
    task: Task, batches: Batches, config: LoopConfig, world: World, folder: Path,
    *, monitor: str, mode: Literal["max", "min"],
) -> dict[str, float]:  # fmt: skip
    """Train a task; leave the weights that were best on validation in it.

    Args:
        task: model and loss; its `evaluate` validates.
        batches: the training examples.
        config: how to train.
        world: this process.
        folder: where checkpoint and TensorBoard scalars go; a checkpoint there is resumed. Within a run folder that is
            recorded by MLflow (`stylecast.tracking`), scalars go there too.
        monitor: which metric of `task.evaluate` decides what is best.
        mode: whether more or less of it is better.

    Returns:
        The metrics of the best validation.

    Raises:
        UserError: no examples, a batch size that cannot be split, a loss that is not finite on any rank,
            or a checkpoint of another training in the folder.
    """
    return _Trainer(task, batches, config, world, folder, monitor, mode).run()
