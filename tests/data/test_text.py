"""Cleaning of text: the worked example, and what people really write."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.text import clean, split_tags, words

CAPTIONS = Path(os.environ.get("STYLECAST_DATA", "../shared/data")) / "red" / "captions.txt"


def test_the_worked_example() -> None:
    text = "花卉连衣裙这样搭配真的好好看❤️ - 小红书,,05-17,,#白茶姐弟 #每日穿搭 #气质连衣裙 #连衣裙 #显瘦连衣裙"
    cleaned = clean(text)
    assert cleaned.hashtags == ("白茶姐弟", "每日穿搭", "气质连衣裙", "连衣裙", "显瘦连衣裙")
    assert cleaned.words[:3] == ("花卉", "连衣裙", "搭配")
    joined = " ".join(cleaned.words) + cleaned.sentence
    assert "小红书" not in joined
    assert "05" not in joined
    assert "❤" not in joined
    assert "红心" in joined


def test_links_mentions_and_case() -> None:
    cleaned = clean("New Look 👗 by @someone https://example.com/x?y=1 OOTD 2023")
    assert "new" in cleaned.words
    assert "ootd" in cleaned.words
    assert "2023" not in cleaned.words
    assert not any("example" in w or "someone" in w for w in cleaned.words)


def test_tags_of_a_column_come_in_many_forms() -> None:
    assert split_tags("#红色 #水果") == ["红色", "水果"]
    assert split_tags("红色,水果;苹果|梨") == ["红色", "水果", "苹果", "梨"]
    assert split_tags("") == []
    assert clean("title", "#a1 b2").hashtags == ("a1", "b2")


def test_weibo_tags_close_with_a_hash() -> None:
    cleaned = clean("#春天穿什么# 今天的裙子")
    assert cleaned.hashtags == ("春天穿什么",)
    assert "裙子" in cleaned.words


def test_words_of_the_trade_stay_whole() -> None:
    assert words("新中式马面裙穿搭") == ["新中式", "马面裙", "穿搭"]


@given(st.text(max_size=200), st.text(max_size=50))
def test_no_text_crashes_and_words_are_clean(text: str, tags: str) -> None:
    cleaned = clean(text, tags)
    assert all(w.strip() == w and w for w in cleaned.words)
    assert len(set(cleaned.hashtags)) == len(cleaned.hashtags)


@pytest.mark.realdata
@pytest.mark.skipif(not CAPTIONS.exists(), reason=f"{CAPTIONS} is absent; set STYLECAST_DATA")
def test_real_captions_keep_words() -> None:
    captions = CAPTIONS.read_text(encoding="utf-8").splitlines()
    empty = [c for c in captions if any("一" <= ch <= "鿿" for ch in c) and not clean(c).words]
    assert len(captions) == 2000
    assert not empty
