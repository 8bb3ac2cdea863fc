import pytest
import torch

from stylecast.amax import amax


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_as_torch_has_it_to_the_bit(dtype: torch.dtype, dim: int) -> None:
    # Few different values, so that many share the first place.
    values = torch.randint(-2, 3, (5, 6, 7), generator=torch.Generator().manual_seed(0)).to(dtype)
    grown = torch.randn(values.amax(dim).shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    ours, theirs = values.clone().requires_grad_(), values.clone().requires_grad_()
    most = amax(ours, dim)
    assert torch.equal(most, theirs.amax(dim))
    most.backward(grown)
    theirs.amax(dim).backward(grown)
    assert torch.equal(ours.grad, theirs.grad)


def test_those_who_share_the_place_share_the_gradient() -> None:
    values = torch.tensor([[1.0, 3.0, 3.0], [2.0, 0.0, -1.0]], requires_grad=True)
    amax(values, 1).backward(torch.tensor([1.0, 5.0]))
    assert values.grad is not None
    assert values.grad.tolist() == [[0.0, 0.5, 0.5], [5.0, 0.0, 0.0]]
