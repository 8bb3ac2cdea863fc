"""Rows of a table of word vectors, in the precision that they are multiplied in.

`F.embedding` would gather in float32 what autocast then rounds, once a place: a table has fewer rows than a batch has
places. Its gradient is added up in float32 here too, where a sum of thousands in bfloat16 would stop to grow.

Shapes: M places, W words a place, V words of the table, D dimensions.
"""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F

ROWS = 256  # places whose gradient is brought to float32 at a time, to stay in the processor's cache


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, table_VD: Tensor, index_MW: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(index_MW)
        ctx.shape, ctx.dtype = table_VD.shape, table_VD.dtype  # type: ignore[attr-defined]
        return F.embedding(index_MW, table_VD.to(dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grown_MWD: Tensor) -> tuple[Tensor, None, None]:
        (index_MW,) = ctx.saved_tensors  # type: ignore[attr-defined]
        by_table = grown_MWD.new_zeros(ctx.shape, dtype=ctx.dtype)  # type: ignore[attr-defined]
        for index_RW, grown_RWD in zip(index_MW.split(ROWS), grown_MWD.split(ROWS), strict=True):
            by_table.index_add_(0, index_RW.flatten(), grown_RWD.flatten(0, 1).to(by_table.dtype))
        return by_table, None, None


def lookup(table_VD: Tensor, index_MW: Tensor, dtype: torch.dtype) -> Tensor:
    """Rows of a table by number; to be differentiated once.

    Args:
        table_VD: float32.
        index_MW: int64.
        dtype: of the result.

    Returns:
        M×W×D.
    """
    rows_MWD: Tensor = _Lookup.apply(table_VD, index_MW, dtype)
    return rows_MWD
