"""Muon (Jordan et al. 2024): matrices move by their momentum with all its directions made equally long; AdamW the rest.

Of the gradient of a matrix a few directions are many times longer than the others, and AdamW follows them. What a small
network learns in few steps is then learnt in those alone. A step whose singular values are all about one moves every
direction alike.

Shapes: O outputs, I inputs of a matrix; of a convolution, I counts its channels times the places of its kernel.
N blocks of R rows.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOMENTUM = 0.95
STEPS = 5
BLOCK = 64  # most rows that are made orthogonal to each other
QUINTIC = (3.4445, -4.7750, 2.0315)  # slope at 0 as steep as can be, values then within 0.7..1.2 (Jordan et al.)


def orthogonal(matrices: Sequence[Tensor]) -> list[Tensor]:
    """The matrices with their singular values brought near one, by Newton-Schulz steps of an odd polynomial.

    Rows (columns, where there are more rows) are taken in blocks of at most BLOCK, as even as can be, each by itself
    (Khaled et al. 2025, who do so between rarer steps of the whole matrix): the time of the whole grows with the square
    of its rows, and no difference could be measured in what is learnt. The blocks of all matrices take their steps
    together: one by one, small ones cost more time to call than to work out.

    Args:
        matrices: float, each O×I; zeros stay zeros.

    Returns:
        Each O×I; the singular values of a block are within 0.7..1.2, where they were no less than about 0.01 of its
        norm.
    """
    blocks = [_blocks(matrix.T if _tall(matrix) else matrix) for matrix in matrices]
    # Each step multiplies by a polynomial of x xᵀ from the left. Only the small squares are taken through the steps.
    squares = [x_NRI @ x_NRI.mT for x_NRI in blocks]
    size = max(square.shape[1] for square in squares)
    factors = _steps(torch.cat([F.pad(s, (0, size - s.shape[1], 0, size - s.shape[1])) for s in squares]))
    turned = []
    for matrix, x_NRI, factor in zip(matrices, blocks, factors.split([len(x) for x in blocks]), strict=True):
        small = factor[:, : x_NRI.shape[1], : x_NRI.shape[1]]
        rows = (small @ x_NRI).flatten(0, 1)[: min(matrix.shape)]
        turned.append(rows.T if _tall(matrix) else rows)
    return turned


def _tall(matrix: Tensor) -> bool:
    return matrix.shape[0] > matrix.shape[1]


def _blocks(rows: Tensor) -> Tensor:
    """Rows in even blocks, zeros at the end; N×R×I."""
    blocks = math.ceil(len(rows) / BLOCK)
    size = math.ceil(len(rows) / blocks)
    missing = blocks * size - len(rows)
    return (F.pad(rows, (0, 0, 0, missing)) if missing else rows).reshape(blocks, size, -1)


def _steps(square: Tensor) -> Tensor:
    """What x is to be multiplied by from the left, from x xᵀ of each block; N×R×R."""
    a, b, c = QUINTIC
    length = square.diagonal(dim1=1, dim2=2).sum(dim=1).sqrt().clamp(min=1e-7)[:, None, None]  # norm of x
    square = square / length**2
    factor = eye = torch.eye(square.shape[1], dtype=square.dtype, device=square.device)
    for number in range(STEPS):
        step = torch.add(a * eye, square, alpha=b).baddbmm_(square, square, alpha=c)
        factor = step @ factor if number else step
        if number < STEPS - 1:
            square = step @ square @ step
    return factor / length


class Muon(torch.optim.AdamW):
    """AdamW, but that groups with `turned` set move by Muon.

    Steps are scaled so that their root mean square is that of AdamW's usual ones, 0.2 of the learning rate (Liu et al.
    2025), so both kinds take the same rate and weight decay. Where no group is turned, it is AdamW.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step; gradients of the matrices are gone after it."""
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.grad is not None] if group.get("turned") else []
            if weights:
                self._turn(weights, group["lr"], group["weight_decay"])
        super().step()

    def _turn(self, weights: list[Tensor], rate: float, decay: float) -> None:
        steps = orthogonal([self._direction(weight) for weight in weights])
        for weight, step_OI in zip(weights, steps, strict=True):
            weight.mul_(1 - rate * decay)
            weight.sub_(step_OI.reshape(weight.shape), alpha=0.2 * rate * max(step_OI.shape) ** 0.5)
            weight.grad = None  # so that AdamW passes it by

    def _direction(self, weight: Tensor) -> Tensor:
        """Nesterov's momentum of a weight, as a matrix; it takes the place of the gradient."""
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["step"], state["momentum"] = torch.zeros(()), torch.zeros_like(weight)
        state["step"] += 1  # AdamW asks each state for it when a checkpoint is read
        momentum = state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
        return weight.grad.lerp_(momentum, MOMENTUM).flatten(1)


def build_optimiser(task: nn.Module, shares: dict[str, float], turns: bool, rate: float, decay: float) -> Muon:
    """The optimiser of a training.

    Args:
        task: whose parameters learn.
        shares: parameters by name that learn at another rate, as a share of it.
        turns: whether layers move by Muon; without, all is AdamW.
        rate: peak learning rate.
        decay: weight decay of matrices; biases, norms and scales have none.

    Raises:
        KeyError: a share for a parameter that is not there.
    """
    unknown = shares.keys() - {name for name, _ in task.named_parameters()}
    if unknown:
        raise KeyError(f"learning_rates names parameters that the task lacks: {sorted(unknown)[:3]}")
    layers = (m for m in task.modules() if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d))
    turned = {id(layer.weight) for layer in layers} if turns else set()
    # What AdamW trained is tuned by AdamW.
    turned -= {id(p) for m in task.modules() if getattr(m, "came_trained", False) for p in m.parameters()}
    groups: dict[tuple[float, bool, bool], list[nn.Parameter]] = {}
    for name, parameter in task.named_parameters():
        if parameter.requires_grad:
            kind = (shares.get(name, 1.0), parameter.ndim >= 2, id(parameter) in turned)
            groups.setdefault(kind, []).append(parameter)
    decays = {True: decay, False: 0.0}
    # Highest rate first, matrices before vectors: a checkpoint knows its parameters by their place.
    ordered = sorted(groups, reverse=True)
    return Muon(
        [{"params": groups[s, m, t], "weight_decay": decays[m], "share": s, "turned": t} for s, m, t in ordered],
        lr=rate, betas=(0.9, 0.98), fused=True,  # one pass over all parameters: a third of the time on CPU too
    )  # fmt: skip
