"""A fitted fusion-LSTM: forecasts, and the folder that it is stored in.

Shapes: B windows (the styles at an origin).
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from data.panel import Panel
from data.windows import Target
from rank.bags import Bags
from rank.fusion import FusionNet
from rank.fusion_config import FusionConfig
from rank.fusion_inputs import Reader
from rank.fusion_windows import Scaler, Windows
from stylecast.config import from_dict, to_dict
from stylecast.errors import UserError

WEIGHTS, ABOUT = "fusion.safetensors", "fusion.json"
CHUNK = 1024
"""Windows of a forward pass outside of training."""


def run_net(net: FusionNet, reader: Reader, scaler: Scaler, windows: Windows) -> dict[str, np.ndarray]:
    """What a network says of windows: `growth` and `more` B, `classes` B×3 and `hot` B (logits), float64."""
    device = next(net.parameters()).device
    parts: dict[str, list[np.ndarray]] = {"growth": [], "more": [], "classes": [], "hot": []}
    net.eval()
    with torch.inference_mode():
        for start in range(0, len(windows), CHUNK):
            index = np.arange(start, min(start + CHUNK, len(windows)))
            batch = {k: v.to(device) for k, v in reader.batch(windows.take(index), scaler).items()}
            for name, values in net(batch).items():
                parts[name].append(values.float().cpu().numpy().astype(np.float64))
    return {name: np.concatenate(values) for name, values in parts.items()}


class FusionForecaster:
    """Fitted networks with all that a forecast needs."""

    def __init__(
        self, nets: list[FusionNet], config: FusionConfig, target: Target, scaler: Scaler, shrink: float,
        numbers: tuple[str, ...], sides: dict[str, int],
    ) -> None:  # fmt: skip
        """See `fit_fusion` and `load`."""
        self.nets, self.config, self.target, self.scaler = nets, config, target, scaler
        self.shrink, self.numbers, self.sides = shrink, numbers, sides

    def predict(self, panel: Panel, bags: Bags | None, origins: pd.DatetimeIndex) -> pd.DataFrame:
        """Forecasts of every style at every origin; a style without a post in its window gets one too.

        Args:
            panel: the counts, with the numbers that the networks were trained on.
            bags: with the modalities that they were trained on; None for none.
            origins: days of the panel. Nothing after an origin touches its forecasts.

        Returns:
            A row a style and origin: `style, origin, growth, p_down, p_flat, p_up, p_hot`; growth is log share
            against the reference (`data.shares.to_share` makes it a share).

        Raises:
            UserError: numbers or modalities differ from those of the training.
        """
        reader = Reader(panel, bags, self.target, self.config)
        if (reader.numbers, reader.sides) != (self.numbers, self.sides):
            raise UserError(
                f"this forecaster reads the numbers {list(self.numbers)} and the vectors {self.sides}, the input has "
                f"{list(reader.numbers)} and {reader.sides}; train again, or give the same columns and embeddings"
            )
        # One origin after the other: what else is asked for changes no rounding.
        frames = [self._predict_one(reader, origin) for origin in origins]
        columns = ["style", "origin", "growth", "p_down", "p_flat", "p_up", "p_hot"]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)

    def _predict_one(self, reader: Reader, origin: pd.Timestamp) -> pd.DataFrame:
        windows = reader.windows(pd.DatetimeIndex([origin]))
        told = [run_net(net, reader, self.scaler, windows) for net in self.nets]
        classes_B3 = np.mean([_softmax(one["classes"]) for one in told], axis=0)
        return pd.DataFrame(
            {
                "style": reader.panel.styles,
                "origin": origin,
                "growth": windows.start_B + self.shrink * np.mean([one["more"] for one in told], axis=0),
                "p_down": classes_B3[:, 0],
                "p_flat": classes_B3[:, 1],
                "p_up": classes_B3[:, 2],
                "p_hot": np.mean([1 / (1 + np.exp(-one["hot"])) for one in told], axis=0),
            }
        )

    def save(self, folder: Path) -> None:
        """Writes `fusion.safetensors` and `fusion.json` into a folder."""
        tensors = {
            f"{number}.{name}": value.detach().cpu().contiguous()
            for number, net in enumerate(self.nets)
            for name, value in net.state_dict().items()
        }
        save_file(tensors, folder / WEIGHTS)
        about = {
            "config": to_dict(self.config),
            "target": str(self.target),
            "scaler": asdict(self.scaler),
            "shrink": self.shrink,
            "numbers": list(self.numbers),
            "sides": self.sides,
        }
        (folder / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "FusionForecaster":
        """Reads what `save` wrote, onto the CPU.

        Raises:
            UserError: the folder holds no fusion-LSTM, or a damaged one.
        """
        try:
            about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            tensors = load_file(folder / WEIGHTS)
        except Exception as error:  # safetensors raises its own untyped errors for damaged files
            raise UserError(f"{folder} holds no whole fusion-LSTM ({error}); train it again with --force") from error
        config = from_dict(about["config"], FusionConfig, str(folder / ABOUT))
        scaler = from_dict(about["scaler"], Scaler, str(folder / ABOUT))
        nets = []
        for number in range(config.members):
            net = build_net(scaler, about["sides"], config, config.loop.seed)
            weights = {k.split(".", 1)[1]: v for k, v in tensors.items() if k.startswith(f"{number}.")}
            try:
                net.load_state_dict(weights)
            except RuntimeError as error:
                raise UserError(f"{folder} holds a fusion-LSTM of an earlier version; train it again") from error
            nets.append(net.eval())
        target = Target.parse(about["target"])
        return cls(nets, config, target, scaler, about["shrink"], tuple(about["numbers"]), about["sides"])


def _softmax(logits_BK: np.ndarray) -> np.ndarray:
    exp_BK = np.exp(logits_BK - logits_BK.max(axis=1, keepdims=True))
    return exp_BK / exp_BK.sum(axis=1, keepdims=True)


def build_net(scaler: Scaler, sides: dict[str, int], config: FusionConfig, seed: int) -> FusionNet:
    """A new network of the sizes that these inputs need; the seed draws its weights, and leaves torch's RNG alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        features = len(scaler.features_mean) + len(scaler.flagged)
        return FusionNet(len(scaler.steps_mean), features, sides, config)
