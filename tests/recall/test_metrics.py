"""Retrieval metrics, by hand and against the slow way."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recall.contact_sheet import draw_contact_sheet, drawable
from recall.index import Index
from recall.metrics import first_ranks, gallery_metrics, ndcg, rank_items
from stylecast.errors import UserError


def test_ndcg_by_hand() -> None:
    log2 = np.log2
    assert ndcg(np.array([1, 0, 0, 0, 0, 0])) == pytest.approx(1.0)
    assert ndcg(np.array([0, 1, 0, 0, 0, 0])) == pytest.approx(1 / log2(3))
    # Two relevant items at positions 2 and 5; the ideal has them at 1 and 2.
    assert ndcg(np.array([0, 1, 0, 0, 1])) == pytest.approx((1 / log2(3) + 1 / log2(6)) / (1 + 1 / log2(3)))
    # Seven relevant items: the ideal counts five.
    assert ndcg(np.ones(7)) == pytest.approx(1.0)
    assert ndcg(np.array([0, 0, 0, 0, 0, 1])) == 0.0
    assert ndcg(np.zeros(5)) == 0.0


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_ndcg_is_a_share_and_sorting_is_ideal(relevant: list[bool]) -> None:
    value = ndcg(np.array(relevant))
    ideal = ndcg(np.array(sorted(relevant, reverse=True)))
    assert 0 <= value <= ideal + 1e-12
    assert ideal == pytest.approx(1.0 if any(relevant) else 0.0)


def test_first_ranks_against_sorting() -> None:
    rng = np.random.default_rng(0)
    scores_QN = rng.permuted(np.tile(np.arange(40.0), (300, 1)), axis=1)
    relevant_QN = rng.random((300, 40)) < 0.1
    relevant_QN[:, 3] = True
    slow = [1 + int(np.flatnonzero(rel[rank_items(s)])[0]) for s, rel in zip(scores_QN, relevant_QN, strict=True)]
    np.testing.assert_array_equal(first_ranks(scores_QN, relevant_QN), slow)


def test_a_constant_score_earns_nothing() -> None:
    relevant = np.eye(4, 10, dtype=bool)
    assert first_ranks(np.zeros((4, 10)), relevant).tolist() == [10, 10, 10, 10]
    assert gallery_metrics(np.array([1, 2, 20])) == pytest.approx(
        {"recall@1": 1 / 3, "recall@5": 2 / 3, "recall@10": 2 / 3, "mrr": (1 + 0.5 + 0.05) / 3}
    )


def test_the_index_is_exact_and_survives_saving(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors_ND = rng.normal(size=(200, 16)).astype(np.float32)
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    Index.build(vectors_ND).save(tmp_path)
    products_QK, numbers_QK = Index.load(tmp_path).search(vectors_ND[:5], 7)
    slow = np.argsort(-(vectors_ND[:5] @ vectors_ND.T), axis=1, kind="stable")[:, :7]
    np.testing.assert_array_equal(numbers_QK, slow)
    np.testing.assert_allclose(products_QK[:, 0], 1.0, rtol=1e-5)
    assert Index.load(tmp_path).search(vectors_ND[:1], 1000)[1].shape == (1, 200)
    with pytest.raises(UserError, match="stylecast recall"):
        Index.load(tmp_path / "nowhere")


def test_a_contact_sheet_shows_its_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    red = np.zeros((20, 20, 3), np.uint8)
    red[:] = (255, 0, 0)
    draw_contact_sheet([red] * 10, [f"{i}\nred" for i in range(10)], "ten", tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))[..., ::-1]
    is_red = (sheet[..., 0] > 240) & (sheet[..., 1] < 10)
    _, _, stats, _ = cv2.connectedComponentsWithStats(is_red.astype(np.uint8))
    areas = stats[1:, cv2.CC_STAT_AREA]
    assert (areas > areas.max() / 2).sum() == 10
    monkeypatch.setattr("recall.contact_sheet.chinese_font", lambda: None)
    assert drawable(["红", "a"], ["1", "2"]) == ["1", "2"]
    assert drawable(["b", "a"], ["1", "2"]) == ["b", "a"]
