"""Hubs: what a picture scores with other people's queries."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from recall.hubs import BANK, HUBNESS, MOST, PART, hubness, log_odds, query_bank
from recall.matcher import BLEND
from recall.matchers import TextEncoder, sentence_scores, word_scores
from recall.search import Searcher
from stylecast.errors import UserError
from stylecast.runs import MANIFEST


def text_and_heads(pictures: int = 40) -> tuple[TextEncoder, np.ndarray]:
    torch.manual_seed(0)
    text = TextEncoder(torch.randn(50, 8)).eval()
    return text, np.random.default_rng(0).normal(size=(pictures, 3, 8)).astype(np.float32)


def test_a_bank_holds_each_query_once_and_no_silent_one() -> None:
    words = np.array([[5, 3, 0], [0, 0, 0], [5, 3, 0], [4, 0, 0]])
    np.testing.assert_array_equal(query_bank(words), [[4, 0, 0], [5, 3, 0]])
    many = np.arange(2, 2 + 3 * MOST)[:, None]
    bank = query_bank(many)
    assert len(bank) == MOST
    assert (bank[0, 0], bank[-1, 0]) == (2, 3 * MOST + 1)  # from the first to the last


def test_hubness_is_the_log_of_the_mean_exponential_score() -> None:
    text, heads = text_and_heads()
    bank = np.random.default_rng(1).integers(2, 50, (9, 4))
    told = hubness(text, bank, heads, word_scale=3.0, sentence_scale=0.5)
    with torch.inference_mode():
        query, pictures = text(torch.from_numpy(bank)), torch.from_numpy(heads)
        scores = (word_scores(query, pictures) / 3 + sentence_scores(query, pictures) / 0.5).double().numpy()
    np.testing.assert_allclose(told, np.log(np.exp(scores).mean(axis=0)), rtol=1e-4, atol=1e-5)


def test_what_stands_beside_a_picture_changes_nothing() -> None:
    text, heads = text_and_heads(PART + 7)
    bank = np.random.default_rng(1).integers(2, 50, (9, 4))
    whole = hubness(text, bank, heads, 1.0, 1.0)
    np.testing.assert_array_equal(hubness(text, bank, heads[:5], 1.0, 1.0), whole[:5])
    np.testing.assert_array_equal(hubness(text, bank, heads[PART:], 1.0, 1.0), whole[PART:])
    assert hubness(text, bank, heads[:0], 1.0, 1.0).shape == (0,)


def test_a_picture_close_to_every_text_is_a_hub() -> None:
    text, heads = text_and_heads()
    bank = np.random.default_rng(1).integers(2, 50, (9, 4))
    with torch.inference_mode():
        heads[17, 0] = 10 * text(torch.from_numpy(bank)).sentence_QD.mean(dim=0).numpy()
    assert hubness(text, bank, heads, 1e9, 0.1).argmax() == 17


def test_odds_by_hand_and_none_without_a_known_word() -> None:
    told = log_odds(np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[0.5, -np.inf], [0.0, 0.0]]), np.array([4.0, 3.0]))
    np.testing.assert_array_equal(told, [[-2.5, -np.inf], [0.0, 0.0]])


def test_a_run_keeps_its_bank_and_the_hubness_of_its_pictures(recall_run: Path) -> None:
    searcher = Searcher.load(recall_run)
    np.testing.assert_array_equal(searcher.hubness_N, searcher.models.hubness(searcher.heads_NHD))
    assert searcher.hubness_N.std() > 0


def test_a_run_of_an_earlier_version_is_told_what_to_do(recall_run: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(recall_run, tmp_path / "old"))
    manifest = json.loads((old / MANIFEST).read_text())
    for name in (BANK, HUBNESS, BLEND):
        del manifest["files"][name]
    (old / MANIFEST).write_text(json.dumps(manifest))
    (old / BANK).unlink()
    (old / BLEND).write_text('{"word_weight": 0.5, "word_scale": 1.0, "sentence_scale": 1.0}')
    with pytest.raises(UserError, match=r"query_bank.npy is missing, as in .* run `stylecast recall --force`"):
        Searcher.load(old)
