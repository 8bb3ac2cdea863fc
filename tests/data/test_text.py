"""Cleaning of text: the worked example, and what people really write."""

import os
import re
import unicodedata
from pathlib import Path

import emoji
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jieba import posseg

from data.cutter import cutter
from data.text import Cleaned, Cleaner, Part, clean, name_emoji, split_tags, words

CAPTIONS = Path(os.environ.get("STYLECAST_DATA", "../shared/data")) / "red" / "captions.txt"


def test_the_worked_example() -> None:
    text = "花卉连衣裙这样搭配真的好好看❤️ - 小红书,,05-17,,#白茶姐弟 #每日穿搭 #气质连衣裙 #连衣裙 #显瘦连衣裙"
    cleaned = clean(text)
    assert cleaned.named.startswith("花卉连衣裙这样搭配真的好好看⟨红心⟩ - 小红书,,05-17,,")
    assert cleaned.hashtags == ("白茶姐弟", "每日穿搭", "气质连衣裙", "连衣裙", "显瘦连衣裙")
    assert cleaned.sentence == "花卉连衣裙这样搭配真的好好看 红心"
    assert cleaned.words == (
        "花卉", "连衣裙", "搭配", "白茶", "姐弟", "每日穿搭", "气质", "连衣裙", "连衣裙", "显瘦", "连衣裙",
    )  # fmt: skip
    assert [phrase.text for phrase in cleaned.phrases] == [
        "气质连衣裙", "显瘦连衣裙", "连衣裙", "花卉连衣裙", "白茶姐弟", "每日穿搭", "搭配",
    ]  # fmt: skip


def test_a_heart_decorates_and_a_dress_is_a_word() -> None:
    assert clean("好看❤️ 👗 [红心R] :red_heart: :dress:").words == ("连衣裙", "连衣裙")
    named = clean("好看❤️ 👗 [红心R] :red_heart: 9️⃣折 👍🏻")
    assert named.named == "好看⟨红心⟩ ⟨连衣裙⟩ ⟨红心⟩ ⟨红心⟩  9 折 ⟨拇指向上⟩"
    assert not named.phrases
    cut = cutter()
    assert Cleaner(cut, emoji_words="all").clean("❤️👗").words == ("红心", "连衣裙")
    assert Cleaner(cut, emoji_words="none").clean("❤️👗").words == ()


def test_every_emoji_becomes_a_word() -> None:
    keycaps = {symbol for symbol in emoji.EMOJI_DATA if "\u20e3" in symbol}
    known = {symbol for symbol in emoji.EMOJI_DATA if unicodedata.is_normalized("NFKC", symbol)} - keycaps
    assert len(known) > 3000
    wrong = {s: name_emoji(f"a{s}b") for s in known if not re.fullmatch("a(⟨[^⟩]+⟩)+b", name_emoji(f"a{s}b"))}
    # Skin tones by themselves say nothing, and go.
    assert {text for symbol, text in wrong.items() if not "🏻" <= symbol <= "🏿"} == set()
    assert name_emoji("👨‍👩‍👧❤️🔥") == "⟨家庭 男人女人女孩⟩⟨红心⟩⟨火焰⟩"


def test_tags_that_touch_and_the_second_list_of_them() -> None:
    cleaned = clean("好看 小红书 #风衣#短裙 #笔记灵感 #00:09 风衣, 短裙, 笔记灵感, 00:09")
    assert cleaned.hashtags == ("风衣", "短裙")
    assert cleaned.sentence == "好看"
    assert cleaned.words == ("风衣", "短裙")
    assert clean("#穿搭[话题]# #小红书显瘦[话题]#好看").hashtags == ("穿搭", "显瘦")
    assert clean("去 https://x.y/a#top 看").hashtags == ()


def test_amounts_are_left_out_and_brands_stay_whole() -> None:
    assert words("160cm/140斤 两件 第一次 3条 ¥199 这件3ce口红") == ["3ce", "口红"]
    assert words("H&M的T-shirt和A字裙 Café mm6 y2k Levi's") == ["h&m", "t-shirt", "a字裙", "café", "mm6", "y2k", "levi"]


def test_how_much_is_no_part_of_a_word() -> None:
    assert words("羽绒服太乖啦 太阳 好甜") == ["羽绒服", "乖", "太阳", "甜"]
    assert [p.text for p in clean("粉色羽绒服太乖啦").phrases] == ["粉色羽绒服"]


def test_parts_of_the_text() -> None:
    def read(*parts: Part) -> Cleaned:
        return Cleaner(cutter(), parts).clean("红色半裙", "蓝色毛衣 #通勤", "约会")

    assert read("title").words == ("红色", "半裙")
    assert read("content").words == ("蓝色", "毛衣")
    assert read("title", "tags").hashtags == ("约会",)
    assert read("content", "tags").hashtags == ("通勤", "约会")
    assert read("title").hashtags == ()
    assert read("title", "content", "tags").words == ("红色", "半裙", "蓝色", "毛衣", "通勤", "约会")


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
    assert clean("title", "#a1 b2, 2023").hashtags == ("a1", "b2")


def test_weibo_tags_close_with_a_hash() -> None:
    cleaned = clean("#春天穿什么# 今天的裙子")
    assert cleaned.hashtags == ("春天穿什么",)
    assert "裙子" in cleaned.words


def test_words_of_the_trade_stay_whole() -> None:
    assert words("新中式马面裙穿搭") == ["新中式", "马面裙", "穿搭"]


@given(st.text(max_size=200), st.text(max_size=50))
def test_no_text_crashes_and_words_are_clean(text: str, tags: str) -> None:
    cleaned = clean(text, tags)
    assert all(w.strip() == w and w and " " not in w and ";" not in w for w in cleaned.words)
    assert len(set(cleaned.hashtags)) == len(cleaned.hashtags)
    assert {w for p in cleaned.phrases for w in p.words} <= set(cleaned.words)
    if cleaned.phrases:
        assert sum(p.weight for p in cleaned.phrases) == pytest.approx(1.0)


def content_words(caption: str) -> list[str]:
    """Nouns and adjectives of two characters or more by jieba's part-of-speech tagger, not by the package's steps."""
    plain = re.sub(r":[A-Za-z_]+:|[#,]|小红书|nan", " ", caption)
    return [w for w, tag in posseg.lcut(plain) if tag[0] in "na" and len(w) > 1 and not w.isascii()]


@pytest.mark.realdata
@pytest.mark.skipif(not CAPTIONS.exists(), reason=f"{CAPTIONS} is absent; set STYLECAST_DATA")
def test_real_captions_keep_their_content_words() -> None:
    captions = CAPTIONS.read_text(encoding="utf-8").splitlines()
    assert len(captions) == 2000
    assert sum(bool(content_words(c)) for c in captions[:100]) > 95  # the check sees content where there is some
    cleaned = [clean(c) for c in captions]
    empty = [c for c, found in zip(captions, cleaned, strict=True) if not found.words]
    assert len(empty) < 40
    assert {c: content_words(c) for c in empty if content_words(c)} == {}
    dirty = [c for c in cleaned if {"小红书", "nan", "笔记灵感"} & {*c.words, *c.hashtags} or "小红书" in c.sentence]
    assert not dirty
