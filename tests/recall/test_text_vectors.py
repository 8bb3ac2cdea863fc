"""Vectors of texts: what their key phrases weigh, whatever other texts stand beside them."""

import numpy as np
import pytest

from data.key_phrases import write_shares
from recall.text_vectors import TextVectors

WORDS = ("咖啡", "周末", "碎花", "裙子")
AXES = np.eye(5, dtype=np.float32)
MODEL = TextVectors(WORDS, AXES[:4], AXES[4])
TEXTS = ["碎花 裙子", "咖啡 周末 碎花 裙子", "咖啡 周末", "天气"]


def test_weights_by_hand() -> None:
    # Half to the four words alike, half to the key phrases: 裙子 3/4 and 碎花 1/4; 天气 has no vector.
    told = write_shares({"裙子": 0.6, "碎花": 0.2, "天气": 0.2})
    raw = np.array([0.125, 0.125, 0.125 + 0.125, 0.125 + 0.375, 0.0])
    found = MODEL.transform([TEXTS[1]], [told])[0]
    np.testing.assert_allclose(found, raw / np.linalg.norm(raw), rtol=1e-5)


def test_without_a_known_key_phrase_words_are_weighed_alike() -> None:
    plain = MODEL.transform(TEXTS)
    np.testing.assert_allclose(MODEL.transform(TEXTS, ["", "天气:1", "", ""]), plain, rtol=1e-6)
    np.testing.assert_allclose(plain[1], [0.5, 0.5, 0.5, 0.5, 0.0])
    assert not plain[3].any()


def test_a_long_text_comes_nearer_to_what_its_tags_say() -> None:
    dress, rambling = MODEL.transform(TEXTS[:2])
    keyed = MODEL.transform([TEXTS[1]], ["碎花:0.5 裙子:0.5"])[0]
    assert keyed @ dress > rambling @ dress + 0.1


def test_the_company_of_a_text_does_not_matter() -> None:
    keys = ["碎花:1", "裙子:0.7 咖啡:0.3", "", ""]
    alone = np.concatenate([MODEL.transform([text], [key]) for text, key in zip(TEXTS, keys, strict=True)])
    assert np.array_equal(MODEL.transform(TEXTS[::-1], keys[::-1])[::-1], alone)
    assert np.linalg.norm(alone[:3], axis=1) == pytest.approx(1, abs=1e-6)
