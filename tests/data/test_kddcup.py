"""KDD Cup files: golden values of the real set, broken rows, kills, answers, submissions, and the made-up files."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import kddcup, kddcup_convert
from data.kddcup import Products, write_submission
from data.kddcup_convert import convert
from data.kddcup_files import COLUMNS, FEATURES, BrokenRowError, Row, decode_array, format_row, parse_row
from data.pools import Pools, read_answers
from data.sample_kddcup import KddCupSampleConfig
from data.sample_kddcup import main as sample
from stylecast.errors import UserError

HEADER = "\t".join(COLUMNS).encode()


def make_row(number: int = 0, boxes: int = 2, query: str = 'red "vintage" dress', query_id: str = "7") -> Row:
    rng = np.random.default_rng(number)
    features = rng.random((boxes, FEATURES)).astype(np.float16).astype(np.float32)
    corners = rng.integers(0, 300, (boxes, 4)).astype(np.float32)
    return Row(f"{100 + number}", 400, 300, corners, features, rng.integers(0, 33, boxes), query, query_id)


def write(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"\n".join([HEADER, *lines]) + b"\n")
    return path


def test_golden_values_of_the_real_set() -> None:
    boxes = decode_array("boxes", b"AAAAAAAAQEAAAKlDAABPQwAAb0MAALBBAICmQwAATEM=", "<f4", 2, 4)
    assert boxes.tolist() == [[0, 3, 338, 207], [239, 22, 333, 204]]
    labels = decode_array("class_labels", b"HAAAAAAAAAAcAAAAAAAAAA==", "<i8", 2, 1)
    assert labels.tolist() == [[28], [28]]


words = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(lambda t: t.strip())


@settings(max_examples=30, deadline=None)
@given(
    ids=st.tuples(words, words), query=words, size=st.tuples(st.integers(1, 9999), st.integers(1, 9999)),
    boxes=st.integers(1, 3), seed=st.integers(0, 1000),
)  # fmt: skip
def test_a_row_is_read_as_it_was_written(
    ids: tuple[str, str], query: str, size: tuple[int, int], boxes: int, seed: int
) -> None:
    one = make_row(seed, boxes)
    row = Row(ids[0], *size, one.boxes_n4, one.features_nF, one.labels_n, query, ids[1])
    again = parse_row(format_row(row))
    for name in ("product_id", "image_h", "image_w", "query", "query_id"):
        assert getattr(again, name) == getattr(row, name)
    for name in ("boxes_n4", "features_nF", "labels_n"):
        np.testing.assert_array_equal(getattr(again, name), getattr(row, name))
    assert again.labels_n.dtype == np.int64


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255), cut=st.integers(0, 3))
def test_whatever_is_wrong_with_a_line_is_told(place: int, byte: int, cut: int) -> None:
    line = bytearray(format_row(make_row(boxes=1)))
    place %= len(line)
    line[place : place + cut] = bytes([byte])
    with suppress(BrokenRowError):  # and nothing else
        row = parse_row(bytes(line))
        assert len(row.boxes_n4) == len(row.features_nF) == len(row.labels_n) > 0


BROKEN = [
    ("columns", lambda f: f[:-1], "8 columns where there should be 9"),
    ("count", lambda f: [*f[:3], b"3", *f[4:]], "boxes: 32 bytes where 3 boxes need 48"),
    ("zero", lambda f: [*f[:3], b"0", *f[4:]], "num_boxes: '0' is not a positive whole number"),
    ("alphabet", lambda f: [*f[:4], b"*" + f[4][1:], *f[5:]], "boxes: not base64"),
    ("length", lambda f: [*f[:5], f[5][:-8], *f[6:]], "features: 16380 bytes where 2 boxes need 16384"),
    ("label", lambda f: [*f[:6], base64.b64encode(np.array([1, 33]).tobytes()), *f[7:]], "label 33 is not in 0..32"),
    ("negative", lambda f: [*f[:6], base64.b64encode(np.array([-1, 3]).tobytes()), *f[7:]], "label -1 is not in 0..32"),
    ("height", lambda f: [f[0], b"tall", *f[2:]], "image_h: 'tall' is not a positive whole number"),
    ("text", lambda f: [*f[:7], b"\xff", f[8]], "query: not UTF-8"),
    ("no query", lambda f: [*f[:7], b" ", f[8]], "query: empty"),
    ("no id", lambda f: [b"", *f[1:]], "product_id: empty"),
    ("nan", lambda f: [*f[:4], base64.b64encode(np.full(8, np.nan, "f4").tobytes()), *f[5:]], "boxes: a number that"),
    ("inf", lambda f: [*f[:5], base64.b64encode(np.full(4096, 1e6, "f4").tobytes()), *f[6:]], "features: a number"),
]


@pytest.mark.parametrize(("change", "told"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_broken_rows_say_what_is_wrong(change, told: str) -> None:  # noqa: ANN001
    with pytest.raises(BrokenRowError) as caught:
        parse_row(b"\t".join(change(format_row(make_row()).split(b"\t"))))
    assert told in str(caught.value)


def test_broken_rows_are_set_aside_with_their_line(tmp_path: Path) -> None:
    good = format_row(make_row(0))
    broken = good.replace(b"\t2\t", b"\t3\t", 1)
    source = write(tmp_path / "a.tsv", [good, broken, b"", good, format_row(make_row(1)) + b"\r"])
    products = Products.load(convert(source, tmp_path / "out"))
    assert products.table["product_id"].tolist() == ["100", "101"]
    assert products.pairs["line"].tolist() == [2, 6]
    rejected = pd.read_csv(tmp_path / "out" / "rejected.csv", keep_default_na=False)
    assert rejected.to_numpy().tolist() == [
        [3, "boxes", "32 bytes where 3 boxes need 48"],
        [5, "product_id", "100 stands under query 7 on line 2 already"],
    ]


def test_a_product_is_stored_once_where_its_bytes_are_the_same(tmp_path: Path) -> None:
    one, two = make_row(0), make_row(0, query='12" vase', query_id="8")
    other = Row("100", 401, 300, one.boxes_n4, one.features_nF, one.labels_n, "lamp", "9")
    source = write(tmp_path / "a.tsv", [format_row(r) for r in (one, two, make_row(3, boxes=4), other)])
    products = Products.load(convert(source, tmp_path / "out"))
    assert products.table["boxes"].tolist() == [2, 4, 2]
    assert products.pairs["product"].tolist() == [0, 0, 1, 2]
    assert products.pairs["query"].tolist() == ['red "vintage" dress', '12" vase', 'red "vintage" dress', "lamp"]
    assert products.offsets_N1.tolist() == [0, 2, 6, 8]
    np.testing.assert_array_equal(products.features_MF[2:6], make_row(3, boxes=4).features_nF)
    np.testing.assert_array_equal(products.boxes_M4[6:], one.boxes_n4)
    np.testing.assert_array_equal(products.labels_M[:2], one.labels_n)


@pytest.mark.parametrize("kill_at", [0, 1, 2, 3])
def test_a_killed_conversion_goes_on_where_it_stopped(
    kill_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [format_row(make_row(n % 4, query_id=str(n))) for n in range(7)]
    source = write(tmp_path / "a.tsv", [*rows[:3], rows[0], *rows[3:]])
    whole = convert(source, tmp_path / "whole")
    monkeypatch.setattr(kddcup_convert, "PART", 2 * len(rows[0]))
    flush, reads = kddcup_convert._Store.flush, []

    def dies(store: kddcup_convert._Store) -> None:
        if len(reads) == kill_at:
            for file in store.files.values():
                file.write(b"torn")  # what was written after the last flush counts for nothing
            raise KeyboardInterrupt
        reads.append(store.line)
        flush(store)

    monkeypatch.setattr(kddcup_convert._Store, "flush", dies)
    with pytest.raises(KeyboardInterrupt):
        convert(source, tmp_path / "killed")
    assert not (tmp_path / "killed").exists()
    monkeypatch.setattr(kddcup_convert._Store, "flush", flush)
    parsed = []
    monkeypatch.setattr(kddcup_convert, "parse_row", lambda line: parsed.append(line) or parse_row(line))
    killed = convert(source, tmp_path / "killed")
    assert len(parsed) == len(rows) + 1 - (reads[-1] - 1 if reads else 0)
    for path in whole.iterdir():
        if path.suffix in {".f32", ".f16", ".u8", ".parquet", ".csv"}:
            assert path.read_bytes() == (killed / path.name).read_bytes()
    assert not [p for p in killed.iterdir() if p.name.startswith("progress") or p.suffix == ".raw"]


def test_files_that_are_none_are_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        convert(tmp_path / "none.tsv", tmp_path / "out")
    (tmp_path / "a.tsv").write_bytes(b"product_id\tquery\n1\tred\n")
    with pytest.raises(UserError, match=r"a\.tsv: line 1: the columns should be product_id, image_h"):
        convert(tmp_path / "a.tsv", tmp_path / "out")
    (tmp_path / "b.tsv").write_bytes(b"1,2,3\n")
    with pytest.raises(UserError, match="no row can be used; first reason: line 1: 1 columns"):
        convert(tmp_path / "b.tsv", tmp_path / "out")
    (tmp_path / "c.tsv").write_bytes(b"")
    with pytest.raises(UserError, match="the file has no rows"):
        convert(tmp_path / "c.tsv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_without_header_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(format_row(make_row()))
    assert len(Products.load(convert(tmp_path / "a.tsv", tmp_path / "out")).pairs) == 1


def test_answers_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_text('{"7": [3, 4, 3], "8": ["x"]}')
    assert read_answers(path) == {"7": ["3", "4"], "8": ["x"]}
    for content, told in (("[1]", "not an object"), ('{"7": 3}', "query 7"), ('{"7": []}', "query 7"), ("{", "JSON")):
        path.write_text(content)
        with pytest.raises(UserError, match=told):
            read_answers(path)
    with pytest.raises(UserError, match="no such file"):
        read_answers(tmp_path / "none.json")


def pools_of(sizes: dict[str, int]) -> Pools:
    most = max(sizes.values())
    ids = np.array([[f"{q}{k}" if k < n else "" for k in range(most)] for q, n in sizes.items()], dtype=object)
    return Pools(tuple(sizes), tuple(sizes), np.where(ids == "", -1, 0), ids)


def test_a_submission_is_validated_before_it_is_written(tmp_path: Path) -> None:
    pools, path, source = pools_of({"1": 6, "2": 5}), tmp_path / "deep" / "submission.csv", Path("testB.tsv")
    good = {"1": ["15", "14", "13", "12", "11"], "2": ["20", "21", "22", "23", "24"]}
    wrong = [
        ({"1": good["1"]}, "query 2"),
        (good | {"2": ["20", "21", "22", "23", "20"]}, "not 5 distinct"),
        (good | {"2": ["20", "21", "22", "23"]}, "not 5 distinct"),
        (good | {"2": ["20", "21", "22", "23", "15"]}, "15 is not in its pool"),
        (good | {"2": ["20", "21", "22", "23", ""]}, "is not in its pool"),
        (good | {"3": good["1"]}, "no query 3"),
    ]
    for ranked, told in wrong:
        with pytest.raises(UserError, match=told):
            write_submission(path, ranked, pools, source)
        assert not path.parent.exists()
    with pytest.raises(UserError, match="its pool has 4 products"):
        write_submission(path, {"1": good["1"][:4]}, pools_of({"1": 4}), source)
    write_submission(path, good, pools, source)
    assert path.read_text().splitlines() == [
        "query-id,product1,product2,product3,product4,product5",
        "1,15,14,13,12,11",
        "2,20,21,22,23,24",
    ]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kddcup") / "files"
    return sample(KddCupSampleConfig(out=out, pairs=60, pools=60, boxes=1))


def test_made_up_pools_recur_as_the_real_ones_do(files: Path, tmp_path: Path) -> None:
    products = Products.load(convert(files / "valid.tsv", tmp_path / "valid"))
    pools, answers = kddcup.pools_of(products), read_answers(files / "valid_answer.json")
    sizes = pools.real().sum(axis=1)
    assert sizes.min() >= 9
    assert sizes.max() <= 30
    assert set(pools.query_ids) == set(answers)
    assert {len(ids) for ids in answers.values()} <= set(range(2, 7))
    count = Counter(pools.ids_QK[pools.real()])
    rows = [(count[i], i in answers[q]) for q, ids in zip(pools.query_ids, pools.ids_QK, strict=True) for i in ids if i]
    assert np.mean([right for times, right in rows if times == 1]) == pytest.approx(0.39, abs=0.03)
    assert np.mean([right for times, right in rows if times > 1]) == pytest.approx(0.008, abs=0.008)
    assert len(products.table) < len(products.pairs)
    assert pd.read_csv(tmp_path / "valid" / "rejected.csv").empty
    assert products.pairs["query"].str.contains('"').any()


def test_the_same_seed_makes_the_same_files(files: Path, tmp_path: Path) -> None:
    again = sample(KddCupSampleConfig(out=tmp_path / "again", pairs=60, pools=60, boxes=1))
    for name in ("train.tsv", "valid.tsv", "testB.tsv", "valid_answer.json", "truth/testB_answer.json"):
        assert (files / name).read_bytes() == (again / name).read_bytes()
    train = Products.load(convert(files / "train.tsv", tmp_path / "train"))
    assert len(train.pairs) == 60
    assert len(train.table) == 45
    truth = json.loads((files / "truth" / "testB_answer.json").read_text())
    assert all(len(set(ids)) == len(ids) >= 2 for ids in truth.values())
    with pytest.raises(UserError, match="--pools 2"):
        sample(KddCupSampleConfig(out=tmp_path / "x", pools=2))


def test_a_conversion_that_is_killed_by_a_signal_leaves_nothing_half_done(files: Path, tmp_path: Path) -> None:
    code = (
        "import stylecast, os, signal\n"
        "from pathlib import Path\n"
        "from data import kddcup_convert as k\n"
        "k.PART = 200_000\n"
        "flush = k._Store.flush\n"
        "def dies(store):\n"
        "    flush(store)\n"
        "    if store.line > 30: os.kill(os.getpid(), signal.SIGKILL)\n"
        "k._Store.flush = dies\n"
        f"k.convert(Path({str(files / 'train.tsv')!r}), Path({str(tmp_path / 'killed')!r}))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert ended.returncode == -9
    assert not (tmp_path / "killed").exists()
    assert (tmp_path / ".killed.partial" / "progress.json").is_file()
    killed, whole = convert(files / "train.tsv", tmp_path / "killed"), convert(files / "train.tsv", tmp_path / "whole")
    for name in ("features.f16", "boxes.f32", "labels.u8", "pairs.parquet", "products.parquet"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    shutil.rmtree(killed)
