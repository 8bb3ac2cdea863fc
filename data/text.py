"""Cleaning the text of a post, step by step: emoji to words, tags split out, boilerplate off, words, key phrases.

What `stylecast prepare --explain` prints are the fields of `Cleaned`: there is one way through the steps.
"""

import functools
import html
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

import emoji

from data.cutter import Cutter, cutter, platform_words
from data.key_phrases import KeyPhrase, key_phrases

Part = Literal["title", "content", "tags"]
PARTS: tuple[Part, ...] = ("title", "content", "tags")
EmojiWords = Literal["worn", "all", "none"]
_OPEN, _CLOSE = "⟨", "⟩"  # around the name of an emoji
_NAMED = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
# What people wear: a word of the look.
_WORN = "👑👒👓👔👕👖👗👘👙👚👛👜👝👞👟👠👡👢🎒🎩🎀💄💍⌚🕶🧢🧣🧤🧥🧦🥻🥼🥾🥿🩰🩱🩲🩳🩴"
# Where emoji may stand, one or several joined; all but the keycaps of digits.
_SYMBOL = "©®\u203c-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001fbff"
_EMOJI = re.compile(f"[{_SYMBOL}][{_SYMBOL}\u200d\ufe0f\u20e3\U000e0020-\U000e007f]*")
_KEYCAP = re.compile("([0-9])\u20e3")
_SKIN = re.compile("[\U0001f3fb-\U0001f3ff]")
_ALIAS = re.compile(r":([A-Za-z][\w’'.\-&()!]*):")
_STICKER = re.compile(r"\[([^\[\]]{1,8})R\]")  # how Xiaohongshu writes its own: [红心R]
_INVISIBLE = re.compile("[\u200b\u200c\u200e\u200f\u2060\ufe0e\ufe0f\ufeff\u00ad]")
_LINK = r"https?://\S+|www\.\S+"
_STOP = r"\s##,,。!!??、;;::|⟨⟩\[\]"
# A tag that closes with a second # (Weibo), unless that one opens the next tag; [话题] is what Xiaohongshu adds.
_TAG = re.compile(rf"{_LINK}|[##]\d+(?::\d+)+|[##]([^{_STOP}]+)(?:\[话题\][##]?|[##](?![^{_STOP}]+(?:[\s##]|$)))?")
_TAG_SEPARATORS = re.compile(r"[\s,,、;;|##]+")
# What platforms put around a text when it is copied: their name, the date without a year, links, mentions.
_PLATFORM = "小红书|微博|抖音|哔哩哔哩|快手|知乎"
_BOILERPLATE = re.compile(
    rf"{_LINK}|@\S+|[-–—|]\s*(?:{_PLATFORM})|小红书|展开全文|收起全文|网页链接|原文链接"
    r"|[,,]{1,2}\s*\d{1,2}-\d{1,2}\s*[,,]{1,2}|(?:编辑于|发布于)\s*[\d\-:年月日 ]+"
)
_PLATFORM_NAME = re.compile(_PLATFORM)
_SPACE = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")
_LETTER = re.compile(r"[A-Za-zÀ-ɏ㐀-鿿豈-﫿぀-ヿ가-힯]")
_CLOCK = re.compile(r"[\d:]+")  # chapters of a video, which crawlers list among its tags


@dataclass(frozen=True)
class Cleaned:
    """One text after each step."""

    named: str
    """After emoji: each is its Chinese name between ⟨ and ⟩."""
    untagged: str
    """After tags: what is left of the running text."""
    hashtags: tuple[str, ...]
    """Whole tags, lower-cased, in order, each once."""
    stripped: str
    """After boilerplate: one line a line of the author's, emoji still marked."""
    words: tuple[str, ...]
    """Words of the running text, then of the tags; stop words left out."""
    phrases: tuple[KeyPhrase, ...]
    """Key phrases, best first."""

    @property
    def sentence(self) -> str:
        """The running text without tags and boilerplate, in one line; emoji as words."""
        return " ".join(_NAMED.sub(r" \1 ", self.stripped).split())


@functools.cache
def _load_emoji_names() -> None:
    emoji.config.load_language("zh")


def _name(symbol: str) -> str:
    told = emoji.EMOJI_DATA[symbol]
    return str(told.get("zh", told["en"])).strip(":").replace("_", " ")


@functools.cache
def _worn() -> frozenset[str]:
    _load_emoji_names()
    return frozenset(_name(symbol) for symbol in _WORN)


@functools.cache
def _written_out() -> dict[str, str]:
    """English name of each emoji → the emoji."""
    return {told["en"].strip(":"): symbol for symbol, told in emoji.EMOJI_DATA.items()}


@functools.lru_cache(1 << 14)
def _named(symbols: str) -> str:
    _load_emoji_names()
    return emoji.replace_emoji(_SKIN.sub("", symbols), lambda symbol, _: f"{_OPEN}{_name(symbol)}{_CLOSE}")


def name_emoji(text: str) -> str:
    """Step 1: plain characters, and each emoji as its Chinese name between marks: `好看❤️` → `好看⟨红心⟩`.

    So are emoji that were written out (`:red_heart:`) and the platform's own stickers (`[红心R]`). Skin tones go.
    """
    plain = unicodedata.normalize("NFKC", html.unescape(text) if "&" in text else text)
    if ":" in plain:
        plain = _ALIAS.sub(lambda told: _written_out().get(told[1], told[0]), plain)
    plain = _INVISIBLE.sub("", plain)
    plain = _STICKER.sub(rf"{_OPEN}\1{_CLOSE}", plain.replace(_OPEN, " ").replace(_CLOSE, " "))
    plain = _KEYCAP.sub(r" \1 ", plain)
    return _EMOJI.sub(lambda told: _named(told[0]), plain).replace("\u200d", "")


def split_tags(column: str) -> list[str]:
    """The tags of a tag column: `#a #b`, or a list with commas, semicolons, bars or spaces."""
    return [t for t in _TAG_SEPARATORS.split(unicodedata.normalize("NFKC", column)) if t]


def split_out_tags(text: str, column: str = "") -> tuple[str, tuple[str, ...]]:
    """Step 2: the running text, and its tags with those of the tag column; lower-cased, each once.

    A platform's own name or campaign is no tag of a style, with or without its hash mark.
    """
    found: list[str] = []

    def take(told: re.Match[str]) -> str:
        if told[1] is not None:
            found.append(told[1])
            return " "
        return told[0] if told[0][0] in "hw" else " "  # a link, whose # is none of a tag, stays; #00:09 is a chapter

    rest = _TAG.sub(take, text) if "#" in text else text
    column = _NAMED.sub(" ", name_emoji(column)) if column else ""
    every = [_PLATFORM_NAME.sub("", t).lower() for t in [*found, *split_tags(column)]]
    return rest, tuple(dict.fromkeys(t for t in every if _LETTER.search(t) and t not in platform_words()))


def strip_boilerplate(text: str, hashtags: tuple[str, ...] = ()) -> str:
    """Step 3: without links, mentions, the platform's name and date, and without a second list of the tags at the end.

    Some crawlers append the tags once more, as `a, b, c`.
    """
    plain = _without_list(text, frozenset(hashtags)) if hashtags else text
    return _LINES.sub("\n", _SPACE.sub(" ", _BOILERPLATE.sub(" ", plain))).strip(" ,-\n")


def _listed(item: str, tags: frozenset[str]) -> bool:
    tag = _PLATFORM_NAME.sub("", item.strip()).lower()
    return tag in tags or tag in platform_words() or bool(_CLOCK.fullmatch(tag))


def _without_list(text: str, tags: frozenset[str]) -> str:
    left = text.rstrip(" ,")
    taken = False
    while left:
        head, _, last = left.rpartition(",")
        if not (last and _listed(last, tags)):
            break
        left, taken = head.rstrip(), True
    if not taken:
        return text
    # The first of the list stands behind the text, with nothing but a space between.
    before, _, first = left.rpartition(" ")
    return before if _listed(first, tags) else left


@dataclass(frozen=True)
class Cleaner:
    """The steps with what a user chose."""

    cutter: Cutter
    """What cuts words."""
    parts: tuple[Part, ...] = PARTS
    """Which parts of a post are read; tags are those of the column and those in the text."""
    emoji_words: EmojiWords = "worn"
    """Which emoji count among the words."""
    phrases: int = 10
    """Most key phrases of a post."""

    def clean(self, title: str, content: str = "", tags: str = "") -> Cleaned:
        """Clean a post's text.

        Args:
            title: as the author wrote it.
            content: as the author wrote it.
            tags: the tag column, if the platform has one.
        """
        named = name_emoji("\n".join(t for t in self.running(title, content) if t))
        untagged, hashtags = split_out_tags(named, tags)
        stripped = strip_boilerplate(untagged, hashtags)
        if "tags" not in self.parts:
            hashtags = ()
        cut = [run for line in _NAMED.sub("\n", stripped).split("\n") for run in self.cutter.runs(line)]
        tagged = {tag: tuple(self.cutter.words(tag)) for tag in hashtags}
        words = [word for run in [*cut, *self._of_emoji(stripped), *tagged.values()] for word in run]
        phrases = key_phrases(cut, tagged, self.phrases)
        return Cleaned(named, untagged, hashtags, stripped, tuple(words), tuple(phrases))

    def running(self, title: str, content: str) -> list[str]:
        """The parts of the running text that are read."""
        return [text for part, text in (("title", title), ("content", content)) if part in self.parts]

    def _of_emoji(self, text: str) -> list[tuple[str, ...]]:
        """Words of the emoji that count. Hearts and faces decorate: they would lead the keywords of any style."""
        if self.emoji_words == "none" or _OPEN not in text:
            return []
        wanted = [name for name in _NAMED.findall(text) if self.emoji_words == "all" or name in _worn()]
        return [run for name in wanted for run in self.cutter.runs(name)]


def clean(text: str, tags: str = "") -> Cleaned:
    """Clean a text with the words of the package and default settings."""
    return Cleaner(cutter()).clean(text, tags=tags)


def words(text: str) -> list[str]:
    """The words of a text or phrase, cut with the words of the package; see `Cutter.words`."""
    return cutter().words(text)
