"""Cleaning the text of a post: emoji to words, tags split out, boilerplate off, words cut, stop words out."""

import functools
import html
import re
import unicodedata
from dataclasses import dataclass
from importlib.resources import files

import emoji
import jieba

# What platforms put around a text when it is copied: their name, the date without a year, links, mentions.
_BOILERPLATE = re.compile(
    r"https?://\S+|www\.\S+|@\S+|\[[^\[\]]{1,8}R\]"
    r"|[-–—|]\s*(?:小红书|微博|抖音|哔哩哔哩)|小红书|展开全文|收起全文|网页链接|原文链接"
    r"|[,,]{1,2}\s*\d{1,2}-\d{1,2}\s*[,,]{1,2}|(?:编辑于|发布于)\s*[\d\-:年月日 ]+"
)
_TAG = re.compile(r"[##]([^\s##,,。!!??、;;::|]+)[##]?")
_TAG_SEPARATORS = re.compile(r"[\s,,、;;|##]+")
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[0-9A-Za-zÀ-ɏ㐀-鿿豈-﫿぀-ヿ가-힯]")
_LATIN = re.compile(r"[a-z][a-z'\-]*")
_NUMBER = re.compile(r"[\d.,%:+\-]+")


@dataclass(frozen=True)
class Cleaned:
    """One text, cleaned."""

    sentence: str
    """The running text without tags and boilerplate."""
    hashtags: tuple[str, ...]
    """Whole tags, in order, each once."""
    words: tuple[str, ...]
    """Words of the running text, then of the tags; stop words left out."""


@functools.cache
def stop_words() -> frozenset[str]:
    """The stop words that come with the package, Chinese and English."""
    return frozenset((files("data") / "stopwords.txt").read_text(encoding="utf-8").split())


@functools.cache
def _tokenizer() -> jieba.Tokenizer:
    jieba.setLogLevel("WARNING")
    tokenizer = jieba.Tokenizer()
    tokenizer.initialize()
    # Words of the trade that the general dictionary cuts apart.
    for word in (files("data") / "fashion_words.txt").read_text(encoding="utf-8").split():
        tokenizer.add_word(word)
    return tokenizer


@functools.cache
def _load_emoji_names() -> None:
    emoji.config.load_language("zh")


def _emoji_to_words(text: str) -> str:
    _load_emoji_names()
    return emoji.replace_emoji(text, lambda _, names: f" {names.get('zh', names['en']).strip(':').replace('_', ' ')} ")


def words(text: str) -> list[str]:
    """Cut a text into words: jieba for Chinese, lower case for Latin; stop words and numbers are left out.

    Args:
        text: running text or a phrase to search for.

    Returns:
        The words in order, repeated words repeated.
    """
    stop = stop_words()
    found = (w.strip().strip("'-") for w in _tokenizer().cut(text.lower()))
    return [w for w in found if _WORD.search(w) and w not in stop and not _NUMBER.fullmatch(w) and _long_enough(w)]


def _long_enough(word: str) -> bool:
    return len(word) > 1 or not _LATIN.fullmatch(word)


def split_tags(column: str) -> list[str]:
    """The tags of a tag column: `#a #b`, or a list with commas, semicolons, bars or spaces."""
    return [t for t in _TAG_SEPARATORS.split(unicodedata.normalize("NFKC", column)) if t]


def clean(text: str, tags: str = "") -> Cleaned:
    """Clean a post's text.

    Args:
        text: title and content as people wrote them.
        tags: the tag column, if the platform has one.

    Returns:
        Running text, tags and words.
    """
    plain = unicodedata.normalize("NFKC", html.unescape(text)).replace("\ufe0f", "")
    plain = _BOILERPLATE.sub(" ", _emoji_to_words(plain))
    # A platform's own name is no tag of a style, with or without its hash mark.
    hashtags = [t for t in [*_TAG.findall(plain), *split_tags(tags)] if not _BOILERPLATE.fullmatch(t)]
    sentence = _SPACE.sub(" ", _TAG.sub(" ", plain)).strip(" ,-")
    unique = tuple(dict.fromkeys(t.lower() for t in hashtags if _WORD.search(t)))
    found = words(sentence)
    for tag in unique:
        found += words(tag)
    return Cleaned(sentence, unique, tuple(found))
