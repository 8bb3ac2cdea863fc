"""Names: what a style says and the others do not; platform words damped by their spread; no two alike."""

import numpy as np
import pandas as pd
import pytest

from recall.names import Words, distinct_names, evenness, keywords_of, name_styles


def posts_of(texts: list[str], authors: list[str] | None = None) -> pd.DataFrame:
    table = pd.DataFrame({"post_id": [f"p{i}" for i in range(len(texts))], "words": texts})
    return table if authors is None else table.assign(author_id=authors)


def grouped(posts: pd.DataFrame, styles: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"id": posts["post_id"], "post_id": posts["post_id"], "style": styles})


def test_names_prefer_what_others_do_not_say() -> None:
    posts = posts_of(["穿搭 红裙"] * 3 + ["穿搭 西装"] * 3)
    named = name_styles(grouped(posts, ["s0"] * 3 + ["s1"] * 3), Words.of(posts))
    assert named["name"].tolist() == ["红裙", "西装"]
    assert named["size"].tolist() == [3, 3]


def test_evenness_by_hand() -> None:
    share_KV = np.array([[0.5, 0.4, 0.0], [0.5, 0.4, 0.0], [0.5, 0.0, 0.0], [0.5, 0.0, 0.2]])
    np.testing.assert_allclose(evenness(share_KV), [1.0, 0.5, 0.0])
    assert not evenness(share_KV[:2]).any()


def test_a_word_of_the_platform_does_not_name_the_style_that_says_it_most() -> None:
    # All say 分享, the first style in every post; only half of its posts say 盘扣, which nobody else does.
    texts = ["分享 盘扣"] * 6 + ["分享"] * 6
    for other in ("牛仔", "风衣", "汉服"):
        texts += [f"分享 {other}"] * 8 + [other] * 4
    posts = posts_of(texts)
    styles = [f"s{i}" for i in range(4) for _ in range(12)]
    assert keywords_of(Words.of(posts), grouped(posts, styles), ["s0", "s1", "s2", "s3"])[0][0] == "盘扣"


def test_what_one_author_says_is_no_name() -> None:
    posts = posts_of(["旗袍 小店"] * 5 + ["旗袍"] * 5 + ["卫衣"] * 5, ["loud"] * 5 + list("abcde") + list("fghij"))
    groups = grouped(posts, ["s0"] * 10 + ["s1"] * 5)
    assert keywords_of(Words.of(posts), groups, ["s0", "s1"]) == [["旗袍"], ["卫衣"]]
    # Where there is but that one author, his words are all there is.
    few = groups[groups["post_id"].isin([f"p{i}" for i in (0, 1, 2, 10, 11, 12)])]
    alone = keywords_of(Words.of(posts), few, ["s0", "s1"])
    assert alone[0] == ["小店", "旗袍"]


def test_counts_are_the_slow_ones() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("甲乙丙丁戊"), 3)) for _ in range(60)]
    posts = posts_of(texts, [f"a{rng.integers(8)}" for _ in texts])
    groups = grouped(posts, [f"s{rng.integers(3)}" for _ in texts])
    words = Words.of(posts)
    count_KV, author_KV, size_K = words.counts(groups, ["s0", "s1", "s2"])
    for k, style in enumerate(["s0", "s1", "s2"]):
        mine = posts[(groups["style"] == style).to_numpy()]
        assert size_K[k] == len(mine)
        for v, word in enumerate(words.words):
            says = mine[mine["words"].str.split().map(lambda said, word=word: word in said)]
            assert count_KV[k, v] == len(says)
            assert author_KV[k, v] == says["author_id"].nunique()


def test_no_two_names_are_alike() -> None:
    keywords = [["旗袍", "国风", "复古"], ["国风", "旗袍", "复古", "蓝色"], ["旗袍", "复古", "国风"], []]
    assert distinct_names(keywords, ["s0", "s1", "s2", "s3"]) == [
        "旗袍 · 国风 · 复古", "国风 · 旗袍 · 蓝色", "旗袍 · 复古 · 国风 · s2", "s3"
    ]  # fmt: skip
    assert distinct_names([["旗袍"]], ["s9"], taken=["旗袍"]) == ["旗袍 · s9"]


def test_a_word_within_a_word_is_passed_over() -> None:
    assert distinct_names([["连衣裙", "碎花连衣裙", "裙", "法式", "浪漫"]], ["s0"]) == ["连衣裙 · 法式 · 浪漫"]
    assert distinct_names([["易", "千玺", "烊", "演唱会"]], ["s0"]) == ["千玺 · 演唱会 · 易"]


@pytest.mark.parametrize("words", ["", " "])
def test_without_text_ids_are_names(words: str) -> None:
    posts = posts_of([words] * 4)
    assert name_styles(grouped(posts, ["s0", "s0", "s1", "s1"]), Words.of(posts))["name"].tolist() == ["s0", "s1"]
