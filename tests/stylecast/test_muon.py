"""Muon: steps whose directions are all about equally long, beside AdamW, and after a stop."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stylecast.loop import LoopConfig, Task, _optimiser, train
from stylecast.muon import QUINTIC, STEPS, Muon, orthogonal
from stylecast.world import open_world

CONFIG = LoopConfig(epochs=4, batch_size=8, lr=0.02, precision="fp32", workers=0, checkpoint_seconds=0.0)


@pytest.mark.parametrize("shape", [(8, 8), (8, 40), (40, 8), (1, 5)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    values = np.geomspace(1.0, 0.05, min(shape))
    left, _, right = torch.linalg.svd(torch.randn(shape, generator=torch.Generator().manual_seed(0)), False)
    matrix_OI = left @ torch.diag(torch.tensor(values, dtype=torch.float32)) @ right
    [turned_OI] = orthogonal([matrix_OI])
    # The directions stay: in the frame of the matrix what comes out is diagonal.
    inner = left.T @ turned_OI @ right.T
    np.testing.assert_allclose(inner - torch.diag(inner.diagonal()), 0, atol=1e-4)
    assert inner.diagonal().min() > 0.65
    assert inner.diagonal().max() < 1.25


def test_a_matrix_of_zeros_stays_so() -> None:
    assert torch.equal(orthogonal([torch.zeros(3, 4)])[0], torch.zeros(3, 4))


def plainly(x: Tensor) -> Tensor:
    """The Newton-Schulz steps as the paper has them: on the whole matrix."""
    x = x / x.norm()
    for _ in range(STEPS):
        square = x @ x.T
        x = QUINTIC[0] * x + (QUINTIC[1] * square + QUINTIC[2] * square @ square) @ x
    return x


@pytest.mark.parametrize("shape", [(8, 8), (8, 40), (40, 8)])
def test_steps_on_the_small_squares_are_those_on_the_whole_matrix(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    [turned] = orthogonal([matrix])
    torch.testing.assert_close(turned, plainly(matrix.T).T if len(matrix) == 40 else plainly(matrix))


@pytest.mark.parametrize("tall", [False, True])
def test_many_rows_are_turned_in_even_blocks_of_no_more_than_64(tall: bool) -> None:
    wide = torch.randn((131, 150), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = torch.cat([plainly(part) for part in wide.split(44)])  # 131 = 44 + 44 + 43
    [turned] = orthogonal([wide.T if tall else wide])
    torch.testing.assert_close(turned.T if tall else turned, expected)


def test_matrices_that_are_turned_together_do_not_touch_each_other() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(8, 40), (131, 150), (40, 8), (64, 64), (1, 5)]
    matrices = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    for together, matrix in zip(orthogonal(matrices), matrices, strict=True):
        torch.testing.assert_close(together, orthogonal([matrix])[0])
        assert together.shape == matrix.shape


@pytest.mark.parametrize("size", [1e-4, 1e4])
def test_how_long_a_gradient_is_does_not_matter(size: float) -> None:
    matrix = torch.randn(32, 288, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(orthogonal([matrix * size])[0], orthogonal([matrix])[0], rtol=1e-3, atol=1e-4)


class Layers(Task):
    """A convolution, a linear layer, and a table that is neither."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.linear = nn.Conv2d(3, 4, 2), nn.Linear(4, 2)
        self.table = nn.Parameter(torch.randn(5, 2))

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        out_B2 = self.linear(self.conv(batch["x"]).mean(dim=(2, 3)))
        return {"loss": (out_B2 @ self.table.T - 1).square().mean()}

    def evaluate(self) -> dict[str, float]:
        return {"size": float(sum(p.abs().sum() for p in self.parameters()))}


class Squares:
    """Small random maps; from the given call on there are none."""

    def __init__(self, breaks_at: int = -1) -> None:
        self.x = torch.randn(32, 3, 3, 3, generator=torch.Generator().manual_seed(1))
        self.breaks_at, self.calls = breaks_at, 0

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, index: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        self.calls += 1
        if self.calls == self.breaks_at:
            raise OSError("the disk is gone")
        return {"x": self.x[index]}


def test_layers_are_turned_and_all_else_moves_by_adamw() -> None:
    task, plain = Layers(), Layers()
    muon = _optimiser(task, replace(CONFIG, optimiser="muon", weight_decay=0.0))
    adamw = torch.optim.AdamW(plain.parameters(), lr=CONFIG.lr, betas=(0.9, 0.98), weight_decay=0.0)
    before = {name: p.detach().clone() for name, p in task.named_parameters()}
    for each, optimiser in ((task, muon), (plain, adamw)):
        each({"x": Squares().x})["loss"].backward()
        optimiser.step()
    told, expected = dict(task.named_parameters()), dict(plain.named_parameters())
    for name in ("table", "conv.bias", "linear.bias"):
        torch.testing.assert_close(told[name], expected[name])
    moved_OI = (told["linear.weight"] - before["linear.weight"]).detach()
    # 2×4, both directions: 0.2 · rate · sqrt(4) long, up to what Newton-Schulz leaves over.
    lengths = torch.linalg.svdvals(moved_OI) / (0.2 * CONFIG.lr * 2)
    assert 0.6 < lengths.min() <= lengths.max() < 1.3
    assert not torch.allclose(told["conv.weight"], expected["conv.weight"])


def test_what_came_trained_is_tuned_by_adamw() -> None:
    task = Layers()
    task.conv.came_trained = True  # type: ignore[assignment]
    groups = _optimiser(task, replace(CONFIG, optimiser="muon")).param_groups
    assert [p.shape for group in groups if group["turned"] for p in group["params"]] == [task.linear.weight.shape]


def test_without_turned_groups_it_is_adamw() -> None:
    plain, same = Layers(), Layers()
    groups = [{"params": list(same.parameters()), "turned": False}]
    for each, optimiser in ((plain, torch.optim.AdamW(plain.parameters())), (same, Muon(groups))):
        for _ in range(3):
            optimiser.zero_grad()
            each({"x": Squares().x})["loss"].backward()
            optimiser.step()
    for a, b in zip(plain.parameters(), same.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_stopped_training_goes_on_with_its_momentum(tmp_path: Path) -> None:
    config = replace(CONFIG, optimiser="muon")
    whole, broken = Layers(), Layers()
    with open_world() as world:
        train(whole, Squares(), config, world, tmp_path / "a", monitor="size", mode="max")
        with pytest.raises(OSError, match="disk"):
            train(broken, Squares(7), config, world, tmp_path / "b", monitor="size", mode="max")
        again = Layers()
        train(again, Squares(), config, world, tmp_path / "b", monitor="size", mode="max")
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
