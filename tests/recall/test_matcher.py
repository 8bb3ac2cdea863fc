"""A matcher in a notebook: phrases against pictures, as the search scores them; saved and read back."""

from pathlib import Path

import numpy as np
import pytest

from data.posts import Posts
from pretrain.encoder import PixelEncoder
from pretrain.regions import RegionConfig, RegionEncoder
from recall.matcher import Matcher, RegionMatcher
from recall.matchers import TextEncoder
from recall.search import Searcher
from stylecast.errors import UserError

PHRASES = ("红色 圆形", "蓝色")


@pytest.fixture(scope="module")
def matcher(recall_run: Path) -> Matcher:
    return Matcher.from_pretrained(recall_run)


def test_phrases_are_scored_as_the_search_scores_them(matcher: Matcher, recall_run: Path, shapes: Path) -> None:
    posts, searcher, rows = Posts.load(shapes / "prepare"), Searcher.load(recall_run), np.arange(0, 40)
    heads = matcher.encoder.encode(posts.images[rows])
    np.testing.assert_array_equal(heads.astype(np.float16), searcher.heads_NHD[rows])
    scores = matcher.score(PHRASES, posts.images[rows])
    assert scores.shape == (2, 40)
    np.testing.assert_array_equal(scores, matcher.score(PHRASES, heads))
    for phrase, row in zip(PHRASES, matcher.score(PHRASES, searcher.heads_NHD[rows]), strict=True):
        told = searcher.score(matcher.encode(phrase), rows)["score"].to_numpy(np.float32)
        np.testing.assert_array_equal(row, told)
    # Of a phrase, the pictures that it names come first.
    tags = posts.table.set_index("post_id")["hashtags"][posts.pictures["post_id"].iloc[rows]]
    assert "蓝色" in tags.iloc[int(scores[1].argmax())]


def test_saved_and_read_back_to_the_last_bit(matcher: Matcher, shapes: Path, tmp_path: Path) -> None:
    images = Posts.load(shapes / "prepare").images[:7]
    matcher.save_pretrained(tmp_path / "kept")
    again = Matcher.from_pretrained(tmp_path / "kept")
    np.testing.assert_array_equal(again.score(PHRASES, images), matcher.score(PHRASES, images))
    assert (again.vocabulary, again.blend, again.lexicon) == (matcher.vocabulary, matcher.blend, matcher.lexicon)
    encoder = PixelEncoder.from_pretrained(tmp_path / "kept")
    np.testing.assert_array_equal(encoder.encode(images), matcher.encoder.encode(images))


def test_what_cannot_be_asked(matcher: Matcher, shapes: Path, tmp_path: Path) -> None:
    assert matcher.score([], np.zeros((2, 24, 24, 3), np.uint8)).shape == (0, 2)
    with pytest.raises(UserError, match="火箭 发动机"):
        matcher.score(["火箭发动机"], np.zeros((1, 24, 24, 3), np.uint8))
    with pytest.raises(UserError, match=r"heads of this matcher are N×3×32; these are 2×3×8"):
        matcher.score([], np.zeros((2, 3, 8), np.float32))
    with pytest.raises(UserError, match=r"a run of `pretrain`; name .* `stylecast recall`$"):
        Matcher.from_pretrained(shapes / "pretrain")


def test_a_matcher_of_boxes_comes_back(matcher: Matcher, tmp_path: Path) -> None:
    encoder = RegionEncoder(RegionConfig(channels=8, layers=1, attention_heads=2, heads=3, dim=32)).eval()
    assert isinstance(matcher.text, TextEncoder)
    RegionMatcher(encoder, matcher.text, matcher.vocabulary).save_pretrained(tmp_path / "kept")
    again = RegionMatcher.from_pretrained(tmp_path / "kept")
    kept, found = encoder.state_dict(), RegionEncoder.from_pretrained(tmp_path / "kept").state_dict()
    assert kept.keys() == found.keys()
    assert all((kept[name] == found[name]).all() for name in kept)
    assert (again.text.table_VD == matcher.text.table_VD).all()
    assert again.vocabulary == matcher.vocabulary
