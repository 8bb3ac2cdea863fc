"""Gradient caching: the gradients of the plain step, in the memory of a chunk."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from pretrain.encoder import EncoderConfig, build_encoder
from pretrain.pictures import PixelPictures
from pretrain.vocabulary import FIRST_WORD
from recall.chunks import in_chunks
from recall.gallery import Gallery
from recall.matchers import TextEncoder
from recall.task import LossConfig, RecallTask
from stylecast.errors import UserError
from stylecast.world import World

CPU = torch.device("cpu")
WORDS = 50


def task(chunk: int) -> RecallTask:
    torch.manual_seed(0)
    encoder = build_encoder(EncoderConfig(channels=(16, 32), heads=3, dim=16))
    nothing = Gallery(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 0), bool), np.zeros((0, 0), int))
    text, pictures = TextEncoder(torch.randn(WORDS, 16)), PixelPictures(np.zeros(0))
    world = World(0, 1, 0, CPU)
    return RecallTask(encoder, text, LossConfig(), True, world, pictures, nothing, np.zeros(0), chunk)


def batch(pairs: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.arange(pairs)[:, None].repeat(1, 3)
    ids[1, 2] = ids[0, 2]  # one family
    return {
        "pictures": torch.randint(0, 256, (pairs, 32, 32, 3), dtype=torch.uint8, generator=generator),
        "words": torch.randint(FIRST_WORD, WORDS, (pairs, 8), generator=generator),
        "posts": torch.randint(FIRST_WORD, WORDS, (pairs, 12), generator=generator),
        "ids": ids,
    }


def gradients(chunk: int, bf16: bool = False) -> dict[str, Tensor]:
    """The losses of a step of 64 pictures, and the gradients of their sum."""
    model = task(chunk)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        losses = model(batch(64))
    sum(losses.values()).backward()
    told = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert len(told) == sum(parameter.requires_grad for parameter in model.parameters())
    return told | {name: loss.detach() for name, loss in losses.items()}


@pytest.mark.parametrize("chunk", [1, 16, 24, 64, 100])
def test_gradients_are_those_of_the_plain_step(chunk: int) -> None:
    plain, cached = gradients(0), gradients(chunk)
    for name, value in plain.items():
        scale = value.abs().max().clamp(min=1.0)
        torch.testing.assert_close(cached[name] / scale, value / scale, atol=1e-5, rtol=1e-5, msg=name)


def test_a_negative_chunk_is_refused() -> None:
    with pytest.raises(UserError, match="--cache-chunk -1: must be 0"):
        task(-1)


def test_many_chunks_do_not_round_more_than_one_does() -> None:
    exact, plain, cached = gradients(0), gradients(0, bf16=True), gradients(2, bf16=True)

    def error(found: dict[str, Tensor]) -> float:
        known = [name for name in exact if exact[name].norm() > 1e-4]  # some are zero but for rounding
        return float(np.mean([float((found[n] - exact[n]).norm() / exact[n].norm()) for n in known]))

    assert 0 < error(cached) < 1.1 * error(plain)


def test_the_second_run_hides_the_same_numbers() -> None:
    weight = torch.ones(6, 100, requires_grad=True)

    def hide(rows: slice) -> Tensor:
        return torch.nn.functional.dropout(weight[rows], 0.5) ** 2

    torch.manual_seed(0)
    hidden = torch.cat(in_chunks(hide, 6, 2, CPU))
    hidden.sum().backward()
    assert weight.grad is not None
    assert 0 < int((hidden == 0).sum()) < 600
    torch.testing.assert_close(weight.grad, 2 * hidden)  # 2 · 2² of what is kept, whose value is 2²


def peak(pairs: int, chunk: int, folder: Path) -> float:
    """Most memory that the tensors of a step hold at once, beside weights, gradients and batch, MiB."""
    model, given = task(chunk), batch(pairs)
    sum(model(batch(4)).values()).backward()  # the gradients have their place from here on
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watch:
        sum(model(given).values()).backward()
    watch.export_chrome_trace(str(folder / "trace.json"))
    events = json.loads((folder / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    taken = sorted((e["ts"], e["args"]["Bytes"]) for e in events if e.get("name") == "[memory]")
    return float(np.cumsum([bytes_ for _, bytes_ in taken]).max()) / 2**20


def test_memory_is_that_of_a_chunk(tmp_path: Path) -> None:
    part, whole, cached = peak(16, 0, tmp_path), peak(128, 0, tmp_path), peak(128, 16, tmp_path)
    assert whole > 8 * part
    assert cached < 2 * part  # beside the chunk: heads and queries of all, and their scores
