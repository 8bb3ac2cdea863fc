"""Styles of the sample world and the words of their posts."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from data.sample_styles import Style, build_styles
from data.sample_text import EMPTY, Writer, write_text


@pytest.mark.parametrize("count", [2, 24, 60, 300])
def test_styles_are_distinct_and_do_not_depend_on_their_number(count: int) -> None:
    styles = build_styles(count)
    assert len(styles) == count
    assert styles[:2] == build_styles(2)
    for key in (
        lambda style: (style.garment, style.palette, style.pattern, style.cut),
        lambda style: style.name,
        lambda style: style.style,
        lambda style: style.query,
    ):
        assert len({key(style) for style in styles}) == count


def test_some_styles_differ_by_nothing_but_pattern_palette_or_cut() -> None:
    def look(style: Style) -> tuple[str, ...]:
        return (style.garment, style.palette, style.pattern, style.cut)

    only: Counter[int] = Counter()
    for one, other in combinations(build_styles(24), 2):
        different = [k for k in range(4) if look(one)[k] != look(other)[k]]
        if len(different) == 1:
            only[different[0]] += 1
    assert only[1] >= 3
    assert only[2] >= 3
    assert only[3] >= 1


def test_words_of_other_styles_are_noise_of_one_in_seven() -> None:
    styles = build_styles(24)
    writer = Writer(styles[0], [styles[17]], np.random.default_rng(0))
    foreign = np.mean([writer.word("g") in ("牛仔裤", "裤子", "丹宁", "jeans") for _ in range(4000)])
    assert foreign == pytest.approx(0.15, abs=0.02)


def test_texts_are_empty_long_and_carry_boilerplate_at_times() -> None:
    styles = build_styles(24)
    texts = [
        write_text(styles[k % 24], styles[:2], "2021-05-17", "时尚", np.random.default_rng(k)) for k in range(4000)
    ]
    empty = [not (text.title or text.content or text.tags) for text in texts]
    assert np.mean(empty) == pytest.approx(EMPTY, abs=0.015)
    assert np.mean([" - 小红书,,05-17,," in text.title + text.content for text in texts]) > 0.1
    assert max(len(text.content) for text in texts) > 250
    assert not any("{" in text.title + text.content + text.tags for text in texts)
    tagged = [text.tags for text in texts if text.tags]
    assert all(tags.startswith("#") for tags in tagged)
    assert np.mean([any(tag in tags for tag in ("穿搭", "ootd", "小红书")) for tags in tagged]) > 0.6
