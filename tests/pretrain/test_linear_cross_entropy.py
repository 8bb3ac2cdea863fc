"""The chunked cross-entropy against torch's, and its gradients against differences."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pretrain.linear_cross_entropy import linear_cross_entropy

Given = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


@pytest.fixture(params=[3, 10**6], ids=["chunks of 3 rows", "one chunk"], autouse=True)
def rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pretrain.linear_cross_entropy.CHUNK", 0)
    monkeypatch.setattr("pretrain.linear_cross_entropy.LEAST", request.param)


def given(dtype: torch.dtype, scale: float = 1.0) -> Given:
    generator = torch.Generator().manual_seed(0)
    states, table, bias = (
        torch.randn(*shape, generator=generator, dtype=dtype) * scale for shape in ((11, 4), (7, 4), (7,))
    )
    target, weight = torch.randint(0, 7, (11,), generator=generator), torch.rand(11, generator=generator, dtype=dtype)
    return states.requires_grad_(), table.requires_grad_(), bias.requires_grad_(), target, weight


def plainly(states: Tensor, table: Tensor, bias: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    return (F.cross_entropy(states.to(bias.dtype) @ table.T + bias, target, reduction="none") * weight).sum()


def test_gradients_are_those_of_differences() -> None:
    *inputs, target, weight = given(torch.float64)
    assert torch.autograd.gradcheck(lambda *some: 3 * linear_cross_entropy(*some, target, weight), inputs)


@pytest.mark.parametrize("scale", [1.0, 30.0])  # with 30 the odds of most words are too small for float32
def test_the_loss_is_that_of_torch(scale: float) -> None:
    ours, theirs = given(torch.float32, scale), given(torch.float32, scale)
    value, expected = linear_cross_entropy(*ours), plainly(*theirs)
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close([t.grad for t in ours[:3]], [t.grad for t in theirs[:3]])


def test_states_of_bfloat16_give_gradients_of_float32() -> None:
    states, table, bias, target, weight = given(torch.float32)
    half = states.detach().bfloat16().requires_grad_()
    linear_cross_entropy(half, table, bias, target, weight).backward()
    plainly(states, *(other := given(torch.float32))[1:]).backward()
    assert half.grad is not None
    assert half.grad.dtype == torch.bfloat16
    torch.testing.assert_close(half.grad.float(), states.grad, rtol=0.05, atol=0.02)
    torch.testing.assert_close([table.grad, bias.grad], [other[1].grad, other[2].grad], rtol=0.05, atol=0.02)
