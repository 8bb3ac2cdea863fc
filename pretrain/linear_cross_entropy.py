"""Cross-entropy of a softmax over many words, without ever holding the logits of all places.

Each chunk of rows is taken through logits, loss and gradients before the next, in one buffer that stays in the
processor's cache (as the Liger kernels do on a GPU: Hsu et al. 2024). Held until the backward pass are gradients of
the size of the inputs, where the plain way holds M×V numbers four times.

Shapes: M places, D dimensions, V words.
"""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from stylecast.shapes import MULTIPLE

CHUNK = 2**20  # logits at a time on a CPU, 4 MB in float32; a GPU is kept busy by all at once
LEAST = 256  # rows; fewer would spend their time on adding up the table's gradient


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, states_MD: Tensor, table_VD: Tensor, bias_V: Tensor, target_M: Tensor,
                weight_M: Tensor) -> Tensor:  # fmt: skip
        table = table_VD.to(states_MD.dtype)
        rows = len(states_MD) if states_MD.is_cuda else max(LEAST, CHUNK // len(table) // MULTIPLE * MULTIPLE)
        loss = torch.zeros((), dtype=bias_V.dtype, device=bias_V.device)
        by_state, by_table, by_bias = torch.empty_like(states_MD), torch.zeros_like(table_VD), torch.zeros_like(bias_V)
        parts = zip(*(t.split(rows) for t in (states_MD, target_M[:, None], weight_M[:, None], by_state)), strict=True)
        for state_RD, target_R1, weight_R1, by_state_RD in parts:
            logits_RV = (state_RD @ table.T).to(bias_V.dtype).add_(bias_V)
            most_R1, right_R1 = logits_RV.amax(dim=1, keepdim=True), logits_RV.gather(1, target_R1)
            odds_RV = logits_RV.sub_(most_R1).exp_()
            sum_R1 = odds_RV.sum(dim=1, keepdim=True)
            loss += ((sum_R1.log() + most_R1 - right_R1) * weight_R1).sum()
            by_logit_RV = odds_RV.mul_(weight_R1 / sum_R1).scatter_add_(1, target_R1, -weight_R1)
            by_bias += by_logit_RV.sum(dim=0)
            by_logit_RV = by_logit_RV.to(state_RD.dtype)
            by_state_RD.copy_(by_logit_RV @ table)
            by_table += by_logit_RV.T @ state_RD
        ctx.save_for_backward(by_state, by_table, by_bias)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grown: Tensor) -> tuple[Tensor | None, ...]:
        by_state, by_table, by_bias = ctx.saved_tensors  # type: ignore[attr-defined]
        return by_state * grown.to(by_state.dtype), by_table * grown, by_bias * grown, None, None


def linear_cross_entropy(
    states_MD: Tensor, table_VD: Tensor, bias_V: Tensor, target_M: Tensor, weight_M: Tensor
) -> Tensor:
    """Σ weight · cross-entropy of softmax(states · tableᵀ + bias) and the target; to be differentiated once.

    Args:
        states_MD: float32, or bfloat16 to multiply in that.
        table_VD: float32.
        bias_V: float32.
        target_M: number of the right word of each place, int64.
        weight_M: how much a place counts, float32.

    Returns:
        A scalar, nats.
    """
    loss: Tensor = _LinearCrossEntropy.apply(states_MD, table_VD, bias_V, target_M, weight_M)
    return loss
