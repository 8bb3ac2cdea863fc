"""Few shapes: what prepares a matrix product for the shape of its matrices should meet the same ones again."""

from torch import Tensor
from torch.nn import functional as F

MULTIPLE = 64


def filled_up(index_M: Tensor) -> Tensor:
    """An index, with zeros after it up to a multiple of 64; what is worked out for those is to be cut off again.

    oneDNN compiles a product for each new shape, and keeps some: where every batch has another number of rows, that
    takes longer than the products (17 of 250 ms a step of pretraining).

    Args:
        index_M: int64.

    Returns:
        int64, as long or up to 63 longer.
    """
    return F.pad(index_M, (0, -len(index_M) % MULTIPLE))
