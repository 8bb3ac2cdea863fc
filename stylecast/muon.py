"""Muon (Jordan et al. 2024): matrices move by their momentum with all its directions made equally long; AdamW the rest.

Of the gradient of a matrix a few directions are many times longer than the others, and AdamW follows them. What a small
network learns in few steps is then learnt in those alone. A step whose singular values are all about one moves every
direction alike.

Shapes: O outputs, I inputs of a matrix; of a convolution, I counts its channels times the places of its kernel.
"""

import torch
from torch import Tensor

MOMENTUM = 0.95
STEPS = 5
QUINTIC = (3.4445, -4.7750, 2.0315)  # slope at 0 as steep as can be, values then within 0.7..1.2 (Jordan et al.)


def orthogonal(matrix_OI: Tensor) -> Tensor:
    """The matrix with its singular values brought near one, by Newton-Schulz steps of an odd polynomial.

    Args:
        matrix_OI: float; zeros stay zeros.

    Returns:
        O×I, its singular values within 0.7..1.2, where those of the matrix are no less than about 0.01 of its norm.
    """
    a, b, c = QUINTIC
    tall = matrix_OI.shape[0] > matrix_OI.shape[1]
    x = matrix_OI.T if tall else matrix_OI
    x = x / x.norm().clamp(min=1e-7)
    # Each step multiplies by a polynomial of x xᵀ from the left. Only the small squares are taken through the steps.
    square = x @ x.T
    factor = eye = torch.eye(len(x), dtype=x.dtype, device=x.device)
    for number in range(STEPS):
        step = torch.addmm(torch.add(a * eye, square, alpha=b), square, square, alpha=c)
        factor = step @ factor if number else step
        if number < STEPS - 1:
            square = step @ square @ step
    turned = factor @ x
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
