"""RAKE worked out by hand, and what it must keep to for any words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.key_phrases import KeyPhrase, key_phrases, read_shares, shares_of_words, write_shares

RUNS = st.lists(
    st.lists(st.sampled_from(["红色", "裙子", "甜", "毛衣", "dress"]), min_size=1, max_size=6).map(tuple), max_size=8
)
TAGS = st.dictionaries(st.sampled_from(["红色裙子", "毛衣", "甜"]), st.just(("红色", "裙子")), max_size=3)


def test_degrees_by_hand() -> None:
    # 连衣裙: 2 (花卉连衣裙) + 2 (气质连衣裙) + 1 (连衣裙) = 5; 花卉, 气质: 2; 搭配: 1. Tags score twice the sum.
    found = key_phrases([("花卉", "连衣裙"), ("搭配",)], {"气质连衣裙": ("气质", "连衣裙"), "连衣裙": ("连衣裙",)}, 10)
    assert [p.text for p in found] == ["气质连衣裙", "连衣裙", "花卉连衣裙", "搭配"]
    assert [p.weight * 32 for p in found] == pytest.approx([14, 10, 7, 1])
    assert shares_of_words(found) == pytest.approx(
        {"气质": 7 / 32, "连衣裙": (7 + 10 + 3.5) / 32, "花卉": 3.5 / 32, "搭配": 1 / 32}
    )


def test_a_tag_is_shown_as_its_author_wrote_it() -> None:
    found = key_phrases([], {"7天穿搭不重样": ("穿搭", "重样"), "j人": ("人",), "半裙分享": ("半裙",)}, 10)
    assert [p.text for p in found] == ["穿搭不重样", "j人", "半裙"]


def test_long_runs_and_lone_characters_are_no_phrases() -> None:
    found = key_phrases([("一一", "二二", "三三", "四四", "五五"), ("甜",), ("little", "black", "dress")], {}, 3)
    assert [p.text for p in found] == ["little black dress", "一一", "二二"]
    assert not key_phrases([("甜",)], {}, 10)


def test_a_long_text_has_no_more_to_share_out() -> None:
    short = shares_of_words(key_phrases([("红色", "裙子")], {}, 10))
    long = shares_of_words(key_phrases([(f"词{n}", f"语{n}") for n in range(500)], {}, 10))
    assert sum(short.values()) == pytest.approx(sum(long.values()))
    assert len(long) == 20


@given(RUNS, TAGS, st.integers(1, 12))
def test_weights_sum_to_one_and_fall(runs: list[tuple[str, ...]], tags: dict[str, tuple[str, ...]], most: int) -> None:
    found = key_phrases(runs, tags, most)
    weights = [p.weight for p in found]
    assert len(found) <= most
    assert len({p.words for p in found}) == len(found)
    assert weights == sorted(weights, reverse=True)
    assert not found or sum(weights) == pytest.approx(1)
    shares = shares_of_words(found)
    assert read_shares(write_shares(shares)) == pytest.approx(shares, rel=1e-3)


def test_shares_are_written_most_first() -> None:
    told = write_shares(shares_of_words([KeyPhrase("a b", ("a", "b"), 0.5), KeyPhrase("b", ("b",), 0.5)]))
    assert told == "b:0.75 a:0.25"
    assert read_shares("") == {}
