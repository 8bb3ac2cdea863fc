"""Muon (Jordan et al. 2024): matrices move by their momentum with all its directions made equally long; AdamW the rest.

Of the gradient of a matrix a few directions are many times longer than the others, and AdamW follows them. What a small
network learns in few steps is then learnt in those alone. A step whose singular values are all about one moves every
direction alike.

Shapes: O outputs, I inputs of a matrix; of a convolution, I counts its channels times the places of its kernel.
N blocks of R rows.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOMENTUM = 0.95
STEPS = 5
BLOCK = 64  # most rows that are made orthogonal to each other
QUINTIC = (3.4445, -4.7750, 2.0315)  # slope at 0 as steep as can be, values then within 0.7..1.2 (Jordan et al.)


def orthogonal(matrix_OI: Tensor) -> Tensor:
    """The matrix with its singular values brought near one, by Newton-Schulz steps of an odd polynomial.

    Rows (columns, where there are more rows) are taken in blocks of at most BLOCK, as even as can be, each by itself
    (Khaled et al. 2025, who do so between rarer steps of the whole matrix): the time of the whole grows with the square
    of its rows, and no difference could be measured in what is learnt.

    Args:
        matrix_OI: float; zeros stay zeros.

    Returns:
        O×I, the singular values of each block within 0.7..1.2, where they were no less than about 0.01 of its norm.
    """
    a, b, c = QUINTIC
    tall = matrix_OI.shape[0] > matrix_OI.shape[1]
    rows = matrix_OI.T if tall else matrix_OI
    blocks = math.ceil(len(rows) / BLOCK)
    size = math.ceil(len(rows) / blocks)
    x_NRI = F.pad(rows, (0, 0, 0, blocks * size - len(rows))).view(blocks, size, -1)
    x_NRI = x_NRI / x_NRI.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    # Each step multiplies by a polynomial of x xᵀ from the left. Only the small squares are taken through the steps.
    square = x_NRI @ x_NRI.mT
    factor = eye = torch.eye(size, dtype=square.dtype, device=square.device)
    for number in range(STEPS):
        step = torch.baddbmm(torch.add(a * eye, square, alpha=b), square, square, alpha=c)
        factor = step @ factor if number else step
        if number < STEPS - 1:
            square = step @ square @ step
    turned = (factor @ x_NRI).flatten(0, 1)[: len(rows)]
    return turned.T if tall else turned


class Muon(torch.optim.AdamW):
    """AdamW, but that groups with `turned` set move by Muon.

    Steps are scaled so that their root mean square is that of AdamW's usual ones, 0.2 of the learning rate (Liu et al.
    2025), so both kinds take the same rate and weight decay. Where no group is turned, it is AdamW.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step; gradients of the matrices are gone after it."""
        for group in self.param_groups:
            if group.get("turned"):
                for weight in group["params"]:
                    if weight.grad is not None:
                        self._turn(weight, group["lr"], group["weight_decay"])
                        weight.grad = None  # so that AdamW passes it by
        super().step()

    def _turn(self, weight: Tensor, rate: float, decay: float) -> None:
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["step"], state["momentum"] = torch.zeros(()), torch.zeros_like(weight)
        state["step"] += 1  # AdamW asks each state for it when a checkpoint is read
        momentum = state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
        step_OI = orthogonal(weight.grad.lerp(momentum, MOMENTUM).flatten(1))
        weight.mul_(1 - rate * decay)
        weight.sub_(step_OI.view_as(weight), alpha=0.2 * rate * max(step_OI.shape) ** 0.5)


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
