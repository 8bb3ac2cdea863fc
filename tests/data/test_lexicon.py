"""A user's own words: read from his files, told where they are wrong, kept whole, and cut the same everywhere."""

from pathlib import Path

import pytest

from data.cutter import cutter
from data.lexicon import Lexicon
from stylecast.errors import UserError


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_dictionary_keeps_words_whole_and_stop_words_leave_them_out(tmp_path: Path) -> None:
    text = "香蕉船风格的芭比粉毛衣"
    assert "香蕉船风格" not in cutter().words(text)
    words = written(tmp_path, "words.txt", "\ufeff香蕉船风格\n芭比粉 50 n\n\nNewLook 3\nMM6 nz\n")
    stopped = written(tmp_path, "stop.txt", "毛衣\n")
    lexicon = Lexicon.read([words], [stopped])
    assert lexicon.entries == (("香蕉船风格", None), ("芭比粉", 50), ("newlook", 3), ("mm6", None))
    assert cutter(lexicon).words(text) == ["香蕉船风格", "芭比粉"]
    assert "毛衣" in cutter().words(text)


def test_a_word_of_the_dictionary_is_no_stop_word_unless_named_so() -> None:
    assert cutter().words("第一次 好看") == []
    wanted = Lexicon((("第一次", None), ("好看", None)))
    assert cutter(wanted).words("第一次 好看") == ["第一次", "好看"]
    assert cutter(Lexicon(wanted.entries, ("好看",))).words("第一次 好看") == ["第一次"]


def test_it_travels_in_a_run_folder(tmp_path: Path) -> None:
    lexicon = Lexicon((("芭比粉", 50), ("多巴胺风", None)), ("毛衣", "短裙"))
    lexicon.save(tmp_path)
    assert Lexicon.load(tmp_path) == lexicon
    with pytest.raises(UserError, match=r"lexicon.json is missing"):
        Lexicon.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("好词 5 n\n坏词 0\n", r"words.txt: line 2: '坏词 0' is not"),
        ("坏词 -3\n", r"words.txt: line 1"),
        ("好词\n\n两个 词 有 空格\n", r"words.txt: line 3"),
        (b"\xba\xec\xc9\xab\n", r"words.txt: line 1: not UTF-8"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, content: str | bytes, told: str) -> None:
    with pytest.raises(UserError, match=told):
        Lexicon.read([written(tmp_path, "words.txt", content)], [])


def test_stop_words_stand_one_a_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"stop.txt: line 2: '两个 词' is more than one word"):
        Lexicon.read([], [written(tmp_path, "stop.txt", "好\n两个 词\n")])
    with pytest.raises(UserError, match=r"--stopwords .*none.txt: cannot be read"):
        Lexicon.read([], [tmp_path / "none.txt"])
