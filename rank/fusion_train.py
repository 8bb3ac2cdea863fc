"""Fit a fusion-LSTM: windows, losses, one training a network, and how far what they add is trusted.

Shapes: B windows, O origins, F factors.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from data.panel import Panel
from data.shares import to_share
from data.windows import Target, known_on
from rank.bags import Bags
from rank.fusion import FusionNet
from rank.fusion_config import FusionConfig
from rank.fusion_forecast import FusionForecaster, build_net, run_net
from rank.fusion_inputs import Reader
from rank.fusion_windows import Labels, Scaler, Windows
from stylecast.errors import UserError
from stylecast.loop import Task, train
from stylecast.world import World

log = logging.getLogger(__name__)

FACTORS = np.arange(21) / 20
"""Tried for how much of what the networks add is believed."""
HELD = 0.1
"""Part of the training origins, the last ones, that is held out where there are no validation origins."""
LONGEST = 3.0
"""Labels of log growth are held within this: 20-fold is as wild as a forecast may learn."""


@dataclass(frozen=True)
class Examples:
    """Training windows as the loop takes them; an example is a window."""

    reader: Reader
    scaler: Scaler
    windows: Windows
    labels: Labels
    weight_B: np.ndarray
    """Weight in the growth loss; the mean over all windows is 1."""

    def __len__(self) -> int:
        return len(self.weight_B)

    def batch(self, index: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        """Windows of these numbers with their labels; nothing here is random."""
        growth_B = self.labels.growth_B[index]
        windows = self.windows.take(index)
        classes_B = self.scaler.classes.label(growth_B, windows.reference_B, windows.half_B)
        return {
            **self.reader.batch(windows, self.scaler),
            "growth": torch.from_numpy(np.clip(growth_B, -LONGEST, LONGEST).astype(np.float32)),
            "class": torch.from_numpy(classes_B),
            "hot": torch.from_numpy(self.labels.hot_B[index]),
            "weight": torch.from_numpy(self.weight_B[index].astype(np.float32)),
        }


class FusionTask(Task):
    """Losses of the three heads; validated by the mean absolute error of share."""

    def __init__(self, net: FusionNet, config: FusionConfig, valid: Examples) -> None:
        """Takes the network, the weights of the losses, and the windows to validate on."""
        super().__init__()
        self.net, self.config, self.valid = net, config, valid

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Huber loss of log growth, cross-entropies of class and hot."""
        told, config = self.net(batch), self.config
        error_B = F.huber_loss(told["growth"], batch["growth"], reduction="none", delta=config.huber) / config.huber
        return {
            "growth": (error_B * batch["weight"]).mean(),
            "class": config.class_weight * F.cross_entropy(told["classes"], batch["class"]),
            "hot": config.hot_weight * F.binary_cross_entropy_with_logits(told["hot"], batch["hot"]),
        }

    def evaluate(self) -> dict[str, float]:
        """MAE of share, beside that of "as it was", and the accuracy of the classes."""
        valid = self.valid
        told = run_net(self.net, valid.reader, valid.scaler, valid.windows)
        windows, share_B = valid.windows, valid.labels.share_B
        predicted_B = to_share(told["growth"], windows.reference_B, windows.half_B)
        class_B = valid.scaler.classes.label(valid.labels.growth_B, windows.reference_B, windows.half_B)
        return {
            "share_mae": float(np.abs(predicted_B - share_B).mean()),
            "share_mae_last": float(np.abs(windows.reference_B - share_B).mean()),
            "class_accuracy": float((told["classes"].argmax(axis=1) == class_B).mean()),
        }


def fit_fusion(
    panel: Panel,
    bags: Bags | None,
    target: Target,
    config: FusionConfig,
    train_origins: pd.DatetimeIndex,
    valid_origins: pd.DatetimeIndex,
    world: World,
    folder: Path,
) -> FusionForecaster:
    """Trains `config.members` networks, each stopped at its best MAE of share on the validation origins.

    How far what they add to their start is trusted (`shrink`, 0 to 1) is fitted on the validation origins too.

    Args:
        panel: the counts.
        bags: the sets of posts, or None for numbers alone.
        target: what is asked for.
        config: sizes and training.
        train_origins: their targets are all known by the first validation origin.
        valid_origins: their targets are complete. Empty: the last tenth of the training origins is held out,
            and those before it whose target it would overlap are left out.
        world: the processes.
        folder: for checkpoints and TensorBoard; a training that was killed goes on from here.

    Raises:
        UserError: there is no window to train or to validate on.
        ValueError: a label is not known at the time when it would be used.
    """
    train_origins, valid_origins, dense = _origins(panel, target, train_origins, valid_origins)
    config = config.for_granularity(panel.granularity)
    # Counted back from the last one, which is the most like what comes.
    every = -(-len(panel.styles) * len(train_origins) // config.max_windows)
    train_origins = train_origins[::-1][::every][::-1]
    reader = Reader(panel, bags, target, config)
    windows, labels = _labelled(reader, train_origins, True)
    scaler = reader.fit_scaler(windows, labels)
    examples = _examples(reader, scaler, windows, labels)
    valid = _examples(reader, scaler, *_labelled(reader, valid_origins, dense))
    log.info("fusion-LSTM: %d windows to train on, %d to validate on", len(examples), len(valid))
    nets = []
    for number in range(config.members):
        loop = replace(config.loop, seed=config.loop.seed + number)
        task = FusionTask(build_net(scaler, reader.sides, config, loop.seed), config, valid)
        place = folder / f"member-{number}"
        place.mkdir(parents=True, exist_ok=True)
        found = train(task, examples, loop, world, place, monitor="share_mae", mode="min")
        log.info(
            "network %d of %d: MAE of share %.5f, as it was %.5f",
            number + 1, config.members, found["share_mae"], found["share_mae_last"],
        )  # fmt: skip
        nets.append(task.net)
    shrink = _fit_shrink(nets, valid)
    return FusionForecaster(nets, config, target, scaler, shrink, reader.numbers, reader.sides)


def _labelled(reader: Reader, origins: pd.DatetimeIndex, training: bool) -> tuple[Windows, Labels]:
    """Windows of styles that had been seen by then, and whose target holds posts."""
    windows = reader.windows(origins, training)
    labels = reader.labels(origins, windows, training)
    use = np.flatnonzero(windows.seen_B & np.isfinite(labels.share_B))
    if len(use) == 0:
        raise UserError("the fusion-LSTM has no window with a known target; give more history")
    return windows.take(use), labels.take(use)


def _examples(reader: Reader, scaler: Scaler, windows: Windows, labels: Labels) -> Examples:
    weight_B = (windows.reference_B + windows.half_B) ** reader.config.size_weight
    return Examples(reader, scaler, windows, labels, weight_B / weight_B.mean())


def _fit_shrink(nets: list[FusionNet], valid: Examples) -> float:
    """The least factor on what the networks add that is as good on validation as the best one.

    As good: its MAE of share lies within one standard error, over origins, of the best (the one-standard-error rule
    of Breiman et al., "Classification and Regression Trees", 1984). A few origins prove little, and those whose
    targets overlap count as so many as fit side by side.
    """
    more_B = np.mean([run_net(net, valid.reader, valid.scaler, valid.windows)["more"] for net in nets], axis=0)
    windows = valid.windows
    _, origin_B = np.unique(windows.day_B, return_inverse=True)
    rows = []
    for factor in FACTORS:
        share_B = to_share(windows.start_B + factor * more_B, windows.reference_B, windows.half_B)
        rows.append(np.bincount(origin_B, np.abs(share_B - valid.labels.share_B)) / np.bincount(origin_B))
    error_FO = np.stack(rows)
    best = int(error_FO.mean(axis=1).argmin())
    worse_FO = error_FO - error_FO[best]
    slack_F = worse_FO.std(axis=1) / max(_apart(valid) - 1, 1) ** 0.5
    factor = float(FACTORS[int(np.argmax(worse_FO.mean(axis=1) <= slack_F))])
    log.info("what the networks add counts by %.2f (best on validation: %.2f)", factor, FACTORS[best])
    return factor


def _apart(valid: Examples) -> float:
    """How many validation targets fit side by side, at most as many as there are."""
    day_O = np.unique(valid.windows.day_B)
    length = valid.reader.target.length(valid.reader.panel.days[day_O[-1]])
    return float(min(len(day_O), 1 + (day_O[-1] - day_O[0]) / length))


def _origins(
    panel: Panel, target: Target, train_origins: pd.DatetimeIndex, valid_origins: pd.DatetimeIndex
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex, bool]:
    """Training and validation origins in order, and whether the latter are dense ones, held out of the former."""
    train_origins, valid_origins = (pd.DatetimeIndex(sorted(set(x))) for x in (train_origins, valid_origins))
    if not len(train_origins):
        raise UserError("the fusion-LSTM has no training origin; give more history")
    known = {origin: known_on(panel, target.period(origin)) for origin in (*train_origins, *valid_origins)}
    if late := [origin for origin, day in known.items() if day > panel.last]:
        raise ValueError(f"the target of {late[0].date()} is not complete: it is no label")
    dense = not len(valid_origins)
    if dense:
        held = max(1, round(len(train_origins) * HELD))
        valid_origins, train_origins = train_origins[-held:], train_origins[:-held]
        train_origins = train_origins[[known[origin] <= valid_origins[0] for origin in train_origins]]
        if not len(train_origins):
            raise UserError(f"the history is too short to train a fusion-LSTM for --target {target}; give more")
    if late := [origin for origin in train_origins if known[origin] > valid_origins[0]]:
        raise ValueError(
            f"the target of {late[0].date()} is not known by the validation from {valid_origins[0].date()}"
        )
    return train_origins, valid_origins, dense
