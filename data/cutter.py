"""Cutting text into words: jieba for Chinese, whole tokens for Latin script; what says nothing is left out.

A *run* is words that stand side by side with nothing left out between them: they may be one phrase.
"""

import functools
import re
from importlib.resources import files

import jieba

from data.lexicon import Lexicon

_LATIN_LETTER = "a-zß-öø-ɏ"
# Latin words that jieba would cut apart: with an ampersand or a hyphen (h&m, t-shirt), or with an accent (café).
_WHOLE = re.compile(
    rf"[{_LATIN_LETTER}0-9]+(?:[&-][{_LATIN_LETTER}0-9]+)+|[a-z0-9]*[ß-öø-ɏ][{_LATIN_LETTER}0-9]*"
)  # fmt: skip
_ODD = re.compile(r"[&\-ß-öø-ɏ]")
_WORD = re.compile(r"[0-9a-zß-öø-ɏ㐀-鿿豈-﫿぀-ヿ가-힯]")
_LATIN = re.compile(rf"[{_LATIN_LETTER}0-9'&\-]+")
_NUMBER = re.compile(r"[\d.,%:+\-]+")
_CLASSIFIERS = "个只件条套款双张天日月年号次位种身块元斤米岁周期季折码分秒点集季页档厘"
# 160cm, 1.5kg, 99元, 3件, 两件, 第一次: amounts tell nothing about a look.
_AMOUNT = re.compile(
    r"\d+(?:\.\d+)?(?:cm|mm|km|m|kg|g|mg|ml|l|w|k|rmb|d|h|min|x|st|nd|rd|th|%|"
    rf"公分|厘米|公斤|[{_CLASSIFIERS}])(?:-\d+\w*)?"
    rf"|第?[一二两三四五六七八九十百千几半多每]+[{_CLASSIFIERS}]"
)  # fmt: skip
_LAUGHTER = re.compile(r"([哈呵嘿嘻啊呜哇嗷呀噢哦嗯])\1*|h[ah]+|k{2,}|w{2,}|6{2,}|2{2,}3*")
_DEGREES = "太很超好贼蛮挺"
_KNOWN, _SHORT = 1 << 16, 24  # so many pieces of text, of so many characters at most (tags above all), are remembered

Run = tuple[str, ...]


def is_latin(word: str) -> bool:
    """Whether a lower-cased word is in Latin script or a number."""
    return _LATIN.fullmatch(word) is not None


def _packaged(name: str) -> list[str]:
    return (files("data") / name).read_text(encoding="utf-8").split()


@functools.cache
def stop_words() -> frozenset[str]:
    """The stop words that come with the package, Chinese and English."""
    return frozenset(_packaged("stopwords.txt"))


@functools.cache
def platform_words() -> frozenset[str]:
    """Names of platforms, and tags that they ask for: they tell about the platform, not about a post."""
    return frozenset(_packaged("platform_words.txt"))


class Cutter:
    """Cuts text into words.

    Args:
        lexicon: what a user adds to the dictionary and to the stop words.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        jieba.setLogLevel("WARNING")
        self._jieba = jieba.Tokenizer()
        self._jieba.initialize()
        # Words of the trade that the general dictionary cuts apart. Text is lower-cased before it is cut.
        for word in _packaged("fashion_words.txt"):
            self._jieba.add_word(word.lower())
        for word, frequency in lexicon.entries:
            self._jieba.add_word(word, frequency)
        # What a user wants kept whole is kept, unless he also names it a stop word.
        self._wanted = frozenset(word for word, _ in lexicon.entries) - frozenset(lexicon.stop_words)
        self._stopped = stop_words() | frozenset(lexicon.stop_words)
        self._known = functools.lru_cache(_KNOWN)(self._runs)
        self._counts = functools.lru_cache(_KNOWN)(self._says_something)

    def runs(self, text: str) -> tuple[Run, ...]:
        """Words in the runs in which they stand; a space ends a run unless Latin words stand on both its sides."""
        return self._known(text) if len(text) <= _SHORT else self._runs(text)

    def forget(self) -> None:
        """Forget the pieces of text that are remembered; nothing but the time that the next ones take depends on it."""
        self._known.cache_clear()
        self._counts.cache_clear()

    def words(self, text: str) -> list[str]:
        """The words of a text in order, repeated words repeated."""
        return [word for run in self.runs(text) for word in run]

    def _tokens(self, text: str) -> list[str]:
        if not _ODD.search(text):
            return self._jieba.lcut(text)
        found: list[str] = []
        end = 0
        for whole in _WHOLE.finditer(text):
            found += self._jieba.lcut(text[end : whole.start()])
            found.append(whole[0])
            end = whole.end()
        return found + self._jieba.lcut(text[end:])

    def _runs(self, text: str) -> tuple[Run, ...]:
        runs: list[list[str]] = [[]]
        spaced = amount = False
        for token in self._tokens(text.lower()):
            if token == " ":
                spaced = True
                continue
            word = token if token.isalnum() else token.strip("'-")
            if len(word) == 2 and word[0] in _DEGREES and not self._jieba.FREQ.get(word):
                word = word[1]  # 太乖, which no dictionary has: jieba's guess; 太阳 is a word
                runs.append([])
            kept = self._counts(word) and not (amount and word in _CLASSIFIERS)
            amount = word.isdecimal()
            if not kept:
                runs.append([])
            elif spaced and not (runs[-1] and is_latin(runs[-1][-1]) and is_latin(word)):
                runs.append([word])
            else:
                runs[-1].append(word)
            spaced = False
        return tuple(tuple(run) for run in runs if run)

    def _says_something(self, word: str) -> bool:
        if word in self._wanted:
            return True
        if word in self._stopped or not _WORD.search(word):
            return False
        if len(word) == 1 and is_latin(word):
            return False
        return not (_NUMBER.fullmatch(word) or _AMOUNT.fullmatch(word) or _LAUGHTER.fullmatch(word))


@functools.cache
def _cutter(lexicon: Lexicon) -> Cutter:
    return Cutter(lexicon)


def cutter(lexicon: Lexicon | None = None) -> Cutter:
    """The cutter of a lexicon (by default the package's words alone), made once a process: it takes a second."""
    return _cutter(lexicon or Lexicon())
