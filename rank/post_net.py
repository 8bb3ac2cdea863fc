"""The single-shot network: one post, no history. An MLP in the place of the fusion-LSTM's sets and steps.

Shapes: B posts of a batch, N posts, C numbers, F columns with flags, D dimensions of a vector, W width.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from sklearn.metrics import average_precision_score
from torch import Tensor, nn

from rank.fusion_windows import CLIP, moments
from rank.metrics import auc
from rank.post_inputs import PostInputs
from stylecast.config import from_dict, to_dict
from stylecast.errors import UserError
from stylecast.loop import LoopConfig, Task

WEIGHTS, ABOUT = "single_shot.safetensors", "single_shot.json"
CHUNK = 1024
"""Posts of a forward pass outside of training; the last one is filled up."""


@dataclass(frozen=True)
class PostNetConfig:
    """The single-shot network and how it is trained."""

    width: int = 64
    """Width of every layer."""
    dropout: float = 0.3
    """Dropout, 0 to 1."""
    members: int = 2
    """Networks of other seeds whose probabilities are averaged."""
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            epochs=12, min_steps=300, max_steps=3000, batch_size=256, lr=2e-3, weight_decay=0.1, warmup=0.1,
            precision="fp32", patience=4,
        )
    )  # fmt: skip
    """How it is trained."""


@dataclass(frozen=True)
class PostScaler:
    """Means and deviations of the numbers over the training posts."""

    mean: list[float]
    """Of each number, where it is known."""
    sd: list[float]
    """Likewise."""
    flagged: list[int]
    """Numbers that are not always there: each gets a column that says whether it is."""

    @classmethod
    def fit(cls, numbers_NC: np.ndarray) -> "PostScaler":
        """Measures training posts."""
        return cls(*moments(numbers_NC), np.flatnonzero(~np.isfinite(numbers_NC).all(axis=0)).tolist())

    def __call__(self, numbers_NC: np.ndarray) -> np.ndarray:
        """Standardised numbers with the columns of flags behind them, N×F float32; unknown ones are 0."""
        scaled_NC = np.nan_to_num((numbers_NC - np.array(self.mean)) / np.array(self.sd))
        known_NC = np.isfinite(numbers_NC[:, self.flagged]) - 0.5
        return np.concatenate([np.clip(scaled_NC, -CLIP, CLIP), known_NC], axis=1).astype(np.float32)


class PostNet(nn.Module):
    """How likely a post is to become hot (a logit)."""

    def __init__(self, columns: int, sides: dict[str, int], config: PostNetConfig) -> None:
        """Builds it.

        Args:
            columns: F; 0 for vectors alone.
            sides: dimension of the vectors of each modality.
            config: sizes.
        """
        super().__init__()
        width = config.width
        self.sides, self.columns = sides, columns
        self.project = nn.ModuleDict({side: nn.Linear(size, width) for side, size in sides.items()})
        self.empty = nn.ParameterDict({side: nn.Parameter(torch.zeros(width)) for side in sides})
        self.numbers = nn.Linear(columns, width) if columns else None
        parts = len(sides) + (1 if columns else 0)
        self.body = nn.Sequential(
            nn.LayerNorm(parts * width), nn.GELU(), nn.Dropout(config.dropout),
            nn.Linear(parts * width, width), nn.GELU(), nn.Dropout(config.dropout), nn.Linear(width, 1),
        )  # fmt: skip

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits B of a batch: `numbers` B×F, and each side B×D (zeros: the post has none)."""
        parts = []
        for side, size in self.sides.items():
            there_B1 = batch[side].any(dim=1, keepdim=True)
            parts.append(torch.where(there_B1, self.project[side](batch[side] * size**0.5), self.empty[side]))
        if self.numbers is not None:
            parts.append(self.numbers(batch["numbers"]))
        logits_B1: Tensor = self.body(torch.cat(parts, dim=1))
        return logits_B1.squeeze(1)


def tensors(inputs: PostInputs, scaler: PostScaler, index: np.ndarray) -> dict[str, Tensor]:
    """Posts of these numbers as the network reads them."""
    numbers = {"numbers": torch.from_numpy(scaler(inputs.numbers_NC[index]))}
    return numbers | {side: torch.from_numpy(values[index]) for side, values in inputs.sides.items()}


def logits(net: PostNet, inputs: PostInputs, scaler: PostScaler) -> np.ndarray:
    """What a network says of posts, N float64; a post's does not depend on those beside it."""
    count, device = len(inputs.numbers_NC), next(net.parameters()).device
    told = []
    net.eval()
    with torch.inference_mode():
        for start in range(0, count, CHUNK):
            index = np.minimum(np.arange(start, start + CHUNK), count - 1)
            batch = {name: values.to(device) for name, values in tensors(inputs, scaler, index).items()}
            told.append(net(batch).float().cpu().numpy().astype(float)[: count - start])
    return np.concatenate(told) if told else np.zeros(0)


@dataclass(frozen=True)
class PostExamples:
    """Training posts as the loop takes them."""

    inputs: PostInputs
    scaler: PostScaler
    hot_N: np.ndarray
    """Whether each became hot, bool."""

    def __len__(self) -> int:
        return len(self.hot_N)

    def batch(self, index: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        """Posts of these numbers with their labels; nothing here is random."""
        labels = {"hot": torch.from_numpy(self.hot_N[index].astype(np.float32))}
        return tensors(self.inputs, self.scaler, index) | labels


class PostTask(Task):
    """Cross-entropy of hot or not; validated by average precision."""

    def __init__(self, net: PostNet, valid: PostExamples) -> None:
        """Takes the network and the posts to validate on."""
        super().__init__()
        self.net, self.valid = net, valid

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The loss of a batch."""
        return {"hot": F.binary_cross_entropy_with_logits(self.net(batch), batch["hot"])}

    def evaluate(self) -> dict[str, float]:
        """Average precision and AUC."""
        told_N = logits(self.net, self.valid.inputs, self.valid.scaler)
        return {
            "average_precision": float(average_precision_score(self.valid.hot_N, told_N)),
            "auc": auc(self.valid.hot_N, told_N),
        }


@dataclass(frozen=True)
class SingleShot:
    """Fitted networks with all that a prediction needs."""

    nets: list[PostNet]
    config: PostNetConfig
    scaler: PostScaler
    names: tuple[str, ...]
    """Numbers that it reads."""
    sides: dict[str, int]
    """Dimension of the vectors of each modality that it reads."""
    told: dict[str, Any]
    """What else a later reader must know (see `rank.single_shot`)."""

    def predict(self, inputs: PostInputs) -> np.ndarray:
        """Probability of each post to become hot, N.

        Raises:
            UserError: numbers or modalities differ from those of the training.
        """
        sides = {side: values.shape[1] for side, values in inputs.sides.items()}
        if (inputs.names, sides) != (self.names, self.sides):
            raise UserError(
                f"this model reads the numbers {list(self.names)} and the vectors {self.sides}, the input has "
                f"{list(inputs.names)} and {sides}; train again, or give the same columns and embeddings"
            )
        return np.mean([1 / (1 + np.exp(-logits(net, inputs, self.scaler))) for net in self.nets], axis=0)

    def save(self, folder: Path) -> None:
        """Writes `single_shot.safetensors` and `single_shot.json` into a folder."""
        save_file(
            {f"{number}.{name}": value.detach().cpu().contiguous() for number, net in enumerate(self.nets)
             for name, value in net.state_dict().items()}, folder / WEIGHTS,
        )  # fmt: skip
        about = {"config": to_dict(self.config), "scaler": asdict(self.scaler), "names": list(self.names),
                 "sides": self.sides, "told": self.told}  # fmt: skip
        (folder / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "SingleShot":
        """Reads what `save` wrote, onto the CPU.

        Raises:
            UserError: the folder holds no such model, or a damaged one.
        """
        try:
            about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            weights = load_file(folder / WEIGHTS)
        except Exception as error:  # safetensors raises its own untyped errors for damaged files
            raise UserError(f"{folder} holds no whole single-shot model ({error}); train it again") from error
        config = from_dict(about["config"], PostNetConfig, str(folder / ABOUT))
        scaler = from_dict(about["scaler"], PostScaler, str(folder / ABOUT))
        nets = []
        for number in range(config.members):
            net = new_net(scaler, about["sides"], config, 0)
            net.load_state_dict({k.split(".", 1)[1]: v for k, v in weights.items() if k.startswith(f"{number}.")})
            nets.append(net.eval())
        return cls(nets, config, scaler, tuple(about["names"]), about["sides"], about["told"])


def new_net(scaler: PostScaler, sides: dict[str, int], config: PostNetConfig, seed: int) -> PostNet:
    """A new network; the seed draws its weights, and leaves torch's RNG alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PostNet(len(scaler.mean) + len(scaler.flagged), sides, config)
