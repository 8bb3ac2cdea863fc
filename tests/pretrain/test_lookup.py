import torch
from torch.nn import functional as F

from pretrain.lookup import ROWS, lookup


def sample(places: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return (torch.randn(9, 4, generator=draw), torch.randint(0, 9, (places, 3), generator=draw),
            torch.randn(places, 3, 4, generator=draw))  # fmt: skip


def test_as_an_embedding_over_several_chunks() -> None:
    table, index, grown = sample(2 * ROWS + 5)
    ours, theirs = table.clone().requires_grad_(), table.clone().requires_grad_()
    rows = lookup(ours, index, torch.float32)
    assert torch.equal(rows, F.embedding(index, theirs))
    rows.backward(grown)
    F.embedding(index, theirs).backward(grown)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_bfloat16_rows_whose_gradient_is_added_up_in_float32() -> None:
    table = torch.full((2, 1), 1 / 3, requires_grad=True)
    rows = lookup(table, torch.zeros(4096, 1, dtype=torch.int64), torch.bfloat16)
    assert rows.dtype == torch.bfloat16
    rows.sum().backward()
    assert table.grad is not None
    assert table.grad.tolist() == [[4096.0], [0.0]]  # a sum in bfloat16 would stop at 256
