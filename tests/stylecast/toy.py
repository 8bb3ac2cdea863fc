"""A toy training as a program of its own, to be killed, resumed and spread over processes by the tests."""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from stylecast.loop import LoopConfig, Task, train
from stylecast.world import World, all_gather_with_grad, open_world


class ToyTask(Task):
    """A regression with dropout, and a contrastive loss over all ranks' rows."""

    def __init__(self, world: World, dropout: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 4))
        self.world = world

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        out_BD = self.body(batch["x"])
        others_ND = all_gather_with_grad(out_BD, self.world)
        first = self.world.rank * len(out_BD)
        logits_BN = out_BD @ others_ND.T
        target_B = torch.arange(first, first + len(out_BD))
        return {
            "square": ((out_BD.sum(1) - batch["y"]) ** 2).mean(),
            "contrast": nn.functional.cross_entropy(logits_BN, target_B),
        }

    def evaluate(self) -> dict[str, float]:
        return {"size": float(sum(p.abs().sum() for p in self.parameters()))}


class ToyBatches:
    """Rows of a fixed table, with noise that the generator draws."""

    def __init__(self, noise: float, kill_at: int) -> None:
        generator = torch.Generator().manual_seed(1)
        self.x = torch.randn(240, 6, generator=generator)
        self.noise, self.kill_at, self.calls = noise, kill_at, 0

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, index: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        self.calls += 1
        if self.calls == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        x = self.x[index]
        return {"x": x + self.noise * torch.randn(x.shape, generator=generator), "y": x.sum(1)}


def losses_told(folder: Path) -> list[float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [e.value for e in events.Scalars("loss/total")]


def main() -> None:
    """Arguments: folder, number of the batch at which to die (0 = never), noise, gradient accumulation."""
    folder, kill_at, noise = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    torch.set_num_threads(1)
    with open_world() as world:
        # Clocks differ: where rank 0 finds that it is time for a checkpoint, the others may not.
        seconds = 0.0 if world.is_main else 1e9
        config = LoopConfig(
            epochs=4, batch_size=24, precision="fp32", checkpoint_seconds=seconds, accumulate=int(sys.argv[4])
        )
        task = ToyTask(world, dropout=noise)
        metrics = train(task, ToyBatches(noise, kill_at), config, world, folder, monitor="size", mode="min")
        if world.is_main:
            weights = {k: v.tolist() for k, v in task.state_dict().items()}
            told = {"weights": weights, "metrics": metrics, "losses": losses_told(folder)}
            (folder / "result.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
