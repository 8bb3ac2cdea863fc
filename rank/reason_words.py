"""The words of reasons, English and Chinese."""

from typing import Literal

Language = Literal["en", "zh"]
Said = list[tuple[str, dict[str, str]]]
"""Keys of `WORDS` and what fills them; a reason is these, one after the other."""

WORDS: dict[str, tuple[str, str]] = {
    "rose_weeks": ("rose {weeks} weeks running", "连续 {weeks} 周上升"),
    "fell_weeks": ("fell {weeks} weeks running", "连续 {weeks} 周下降"),
    "up": ("up {percent} on the four weeks before", "较前四周上升 {percent}"),
    "down": ("down {percent} on the four weeks before", "较前四周下降 {percent}"),
    "still": ("hardly moved in the last weeks", "近几周几乎没有变化"),
    "seldom_lasts": (", which seldom lasts", "，这样的涨势通常不持久"),
    "recovers": (", which tends to recover", "，这样的跌势往往会回升"),
    "above_mean": ("stands {percent} above its mean of the past {span}", "比过去{span}的均值高 {percent}"),
    "below_mean": ("stands {percent} below its mean of the past {span}", "比过去{span}的均值低 {percent}"),
    "at_mean": ("stands at its mean of the past {span}", "与过去{span}的均值持平"),
    "above_month": ("{percent} above the month before", "较上月高 {percent}"),
    "below_month": ("{percent} below the month before", "较上月低 {percent}"),
    "level": ("its level", "自身的水平"),
    "year_rose": ("last year it rose {percent} then", "去年同期上升 {percent}"),
    "year_fell": ("last year it fell {percent} then", "去年同期下降 {percent}"),
    "season_starts": ("season starts", "旺季将至"),
    "season_ends": ("season ends", "旺季将过"),
    "season": ("the time of the year", "所处的时节"),
    "as": (", as ", "，"),
    "though": (", though ", "，但"),
    "large": ("one of the largest styles", "属于最大的一批风格"),
    "middling": ("a style of middling size", "规模居中的风格"),
    "small": ("one of the smallest styles", "属于最小的一批风格"),
    "few_posts": ("rests on few posts (give or take {percent})", "帖子较少（误差约 {percent}）"),
    "moves": ("moves about {percent} from month to month", "每月波动约 {percent}"),
    "moves_unknown": ("how much it moves", "自身的波动"),
    "young_rose": (
        "styles like it rose {percent} at its age of {days} days",
        "同类风格满 {days} 天时上升 {percent}",
    ),
    "young_fell": (
        "styles like it fell {percent} at its age of {days} days",
        "同类风格满 {days} 天时下降 {percent}",
    ),
    "first_seen": ("first seen {days} days ago", "{days} 天前首次出现"),
    "always": ("has been there from the start", "从一开始就存在"),
    "common": ("what all styles do alike", "所有风格的共同变化"),
    "number_up": ("{number} per post up {percent} in four weeks", "篇均{number}四周内上升 {percent}"),
    "number_down": ("{number} per post down {percent} in four weeks", "篇均{number}四周内下降 {percent}"),
    "number_above": ("{number} per post {percent} above the feed's", "篇均{number}比全部帖子高 {percent}"),
    "number_below": ("{number} per post {percent} below the feed's", "篇均{number}比全部帖子低 {percent}"),
    "number_alike": ("{number} per post as in the feed", "篇均{number}与全部帖子相当"),
}
SPANS = {"364": ("year", "一年"), "182": ("half-year", "半年"), "91": ("quarter", "一个季度")}
"""Days of a mean → its name."""
NUMBERS = {"likes": "点赞", "collects": "收藏", "comments": "评论", "shares": "转发", "followers": "粉丝"}
"""Chinese of the usual numbers of a post; others keep their column's name."""


def said(told: Said, language: Language) -> str:
    """The sentence of a reason."""
    place = {"en": 0, "zh": 1}[language]
    return "".join(WORDS[key][place].format_map(_named(values, language)) for key, values in told)


def _named(values: dict[str, str], language: Language) -> dict[str, str]:
    """The values with spans, and in Chinese numbers, called by their names."""
    named = dict(values)
    if "span" in named:
        named["span"] = SPANS[named["span"]][0 if language == "en" else 1]
    if "number" in named and language == "zh":
        named["number"] = NUMBERS.get(named["number"], f" {named['number']} ")
    return named
