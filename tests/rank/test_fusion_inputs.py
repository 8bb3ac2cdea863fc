"""Inputs of the fusion-LSTM: sets of posts, encoded once a style-day, and steps by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from rank.fusion import FusionNet, SetEncoder
from rank.fusion_inputs import Reader
from tests.rank.leading import TARGET, TINY, make_bags, make_panel


def set_batch(items: int = 5, seed: int = 0) -> dict[str, Tensor]:
    """Three sets: two items with both sides, three items of which one lacks its text, and none."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "picture": torch.randn(items, 6, generator=generator),
        "text": torch.randn(items, 4, generator=generator),
        "picture_there": torch.ones(items, dtype=torch.bool),
        "text_there": torch.tensor([True, True, True, False, True]),
        "engagement": torch.randn(items, generator=generator),
        "place": torch.tensor([[1, 2, 0], [3, 4, 5], [0, 0, 0]]),
    }


def make_encoder() -> SetEncoder:
    torch.manual_seed(0)
    encoder = SetEncoder({"picture": 6, "text": 4}, TINY).eval()
    with torch.no_grad():
        for empty in encoder.empty.values():
            empty.normal_()
    return encoder


def test_padding_does_not_change_a_set() -> None:
    encoder, batch = make_encoder(), set_batch()
    padded = {**batch, "place": torch.nn.functional.pad(batch["place"], (0, 4))}
    torch.testing.assert_close(encoder(batch), encoder(padded), rtol=0, atol=1e-6)


def test_order_of_items_does_not_change_a_set() -> None:
    encoder, batch = make_encoder(), set_batch()
    turned = {**batch, "place": torch.tensor([[2, 0, 1], [5, 3, 4], [0, 0, 0]])}
    torch.testing.assert_close(encoder(batch), encoder(turned), rtol=0, atol=1e-6)


@pytest.mark.parametrize("side", ["picture", "text"])
def test_a_set_sees_its_own_items_alone(side: str) -> None:
    encoder, batch = make_encoder(), set_batch()
    other = {**batch, side: batch[side].clone()}
    other[side][0] += 3.0  # the first item belongs to the first set
    before, after = encoder(batch), encoder(other)
    assert (before[0] - after[0]).abs().max() > 1e-3
    assert torch.equal(before[1:], after[1:])


def test_a_missing_vector_is_not_read() -> None:
    encoder, batch = make_encoder(), set_batch()
    other = {**batch, "text": batch["text"].clone()}
    other["text"][3] = 99.0  # item 4 has no text
    assert torch.equal(encoder(batch), encoder(other))


def test_pictures_look_at_texts() -> None:
    """With the texts' own pooled output cut off, the texts still reach the set through the pictures' attention."""
    encoder, batch = make_encoder(), set_batch()
    with torch.no_grad():
        encoder.join.weight[:, TINY.width + 1 :] = 0.0
    other = {**batch, "text": batch["text"] * torch.tensor([[-1.0], [1.0], [1.0], [1.0], [1.0]])}
    assert (encoder(batch)[0] - encoder(other)[0]).abs().max() > 1e-4


def test_an_empty_set_is_the_learned_empty_one() -> None:
    encoder, batch = make_encoder(), set_batch()
    nothing = torch.cat([encoder.empty["picture"], torch.zeros(1), encoder.empty["text"], torch.zeros(1)])
    torch.testing.assert_close(encoder(batch)[2], torch.nn.functional.gelu(encoder.join(nothing)))


def test_a_style_day_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = make_panel()
    reader = Reader(panel, make_bags(panel), TARGET, TINY)
    origins = panel.days[[40, 41, 47]]
    windows = reader.windows(origins)
    scaler = reader.fit_scaler(windows, reader.labels(origins, windows))
    batch = reader.batch(windows, scaler)
    seen: list[int] = []
    encode = SetEncoder.forward
    monkeypatch.setattr(SetEncoder, "forward", lambda self, got: (seen.append(len(got["place"])), encode(self, got))[1])
    net = FusionNet(len(scaler.steps_mean), len(scaler.features_mean) + len(scaler.flagged), reader.sides, TINY)
    net(batch)
    # Windows of 14 days that end on days 40, 41 and 47 hold the days 27 to 47: 21 of each style, not 42.
    assert seen == [21 * len(panel.styles)]
    assert batch["set"].shape == (3 * len(panel.styles), 14)


def test_steps_by_hand() -> None:
    panel = make_panel(days=40, styles=2)
    reader = Reader(panel, None, TARGET, replace(TINY, history_days=3, spans=(1, 2)))
    windows = reader.windows(panel.days[[20]])
    steps_BLC = reader.steps(windows)
    count_T, total_T = panel.count_ST[1], panel.total_T
    usual = windows.reference_B[1] + windows.half_B[1]
    assert steps_BLC[1, -1, 0] == pytest.approx(np.log((count_T[20] + 1) / (total_T[20] * usual + 1)))
    assert steps_BLC[1, 0, 1] == pytest.approx(np.log1p(count_T[18]))
    assert steps_BLC[1, 1, 2] == pytest.approx(np.log((count_T[18:20].sum() + 1) / (total_T[18:20].sum() * usual + 1)))
    likes_ST = panel.numeric["likes_log"]
    mean = likes_ST[:, 19:21].sum() / total_T[19:21].sum()
    level = (likes_ST[1, 19:21].sum() - count_T[19:21].sum() * mean) / (count_T[19:21].sum() + 3)
    assert steps_BLC[1, -1, 3] == pytest.approx(level)
    assert (steps_BLC[..., -1] == 1).all()


def test_steps_before_the_panel_are_empty() -> None:
    panel = make_panel(days=60)
    reader = Reader(panel, make_bags(panel), TARGET, TINY)
    windows = reader.windows(panel.days[[9]])
    steps_BLC = reader.steps(windows)
    assert (steps_BLC[:, :4] == 0).all()
    assert (steps_BLC[:, 4:, -1] == 1).all()
    scaler = reader.fit_scaler(windows, reader.labels(panel.days[[9]], windows))
    batch = reader.batch(windows, scaler)
    assert (batch["place"][batch["set"][:, :4]] == 0).all()
