"""Every kind of index against plain matrix products: found, saved, mapped, grown, shrunk."""

import logging
from pathlib import Path

import faiss
import numpy as np
import pytest

from recall.index import Index
from recall.index_kinds import IndexConfig, Kind, bytes_a_vector, choose_kind, recall_of
from stylecast.errors import UserError

KINDS: tuple[Kind, ...] = ("exact", "ivf-pq", "hnsw")
COUNT, DIM = 10_000, 16


def points(count: int, seed: int) -> np.ndarray:
    """Points of 50 clusters, normalised."""
    centres = np.random.default_rng(7).normal(size=(50, DIM))
    rng = np.random.default_rng(seed)
    drawn = centres[rng.integers(0, 50, count)] + 0.7 * rng.normal(size=(count, DIM))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


VECTORS, QUERIES = points(COUNT, 0), points(20, 1)


def nearest(vectors_ND: np.ndarray, queries_QD: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-(queries_QD @ vectors_ND.T), axis=1, kind="stable")[:, :count]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Path]:
    """A saved index of each kind."""
    made = {}
    for kind in KINDS:
        made[kind] = tmp_path_factory.mktemp(kind)
        Index.build(VECTORS, IndexConfig(kind=kind)).save(made[kind])
    return made


def is_mapped(path: Path) -> bool:
    return str(path) in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_index_finds_the_true_neighbours_and_is_mapped(folders: dict[Kind, Path], kind: Kind) -> None:
    index = Index.load(folders[kind])
    assert is_mapped(folders[kind] / "index.faiss")
    ids, scores = index.search(QUERIES, 100)
    assert ids.dtype == np.int64
    assert recall_of(ids, nearest(VECTORS, QUERIES, 100)) >= (1.0 if kind == "exact" else 0.93)
    told = np.einsum("qd,qkd->qk", QUERIES, VECTORS[ids])
    np.testing.assert_allclose(scores, told, atol=1e-3 if kind == "ivf-pq" else 1e-6)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert index.facts.kind == kind


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_vectors_make_the_same_index(folders: dict[Kind, Path], kind: Kind, tmp_path: Path) -> None:
    Index.build(VECTORS, IndexConfig(kind=kind)).save(tmp_path)
    for path in folders[kind].iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_another_seed_makes_other_cells(folders: dict[Kind, Path], tmp_path: Path) -> None:
    Index.build(VECTORS, IndexConfig(kind="ivf-pq", seed=1)).save(tmp_path)
    assert (tmp_path / "index.faiss").read_bytes() != (folders["ivf-pq"] / "index.faiss").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_come_and_go_by_id(folders: dict[Kind, Path], kind: Kind, tmp_path: Path) -> None:
    index = Index.load(folders[kind])
    first = index.search(QUERIES, 3)[0]
    gone = np.unique(first)
    index.remove(gone)
    assert len(index) == COUNT - len(gone)
    left = np.setdiff1d(np.arange(COUNT), gone)
    ids, _ = index.search(QUERIES, 20)
    assert not np.isin(ids, gone).any()
    assert recall_of(ids, left[nearest(VECTORS[left], QUERIES, 20)]) >= (1.0 if kind == "exact" else 0.93)

    # Two new vectors, one under an id that has become free; they are what is asked for.
    index.add(QUERIES[:2], np.array([10**12, gone[0]]))
    assert len(index) == COUNT - len(gone) + 2
    assert index.search(QUERIES[:2], 1)[0][:, 0].tolist() == [10**12, gone[0]]

    index.save(tmp_path)
    again = Index.load(tmp_path)
    assert len(again) == len(index)
    for one, other in zip(index.search(QUERIES, 20), again.search(QUERIES, 20), strict=True):
        np.testing.assert_array_equal(one, other)
    # The folder that it came from is as it was.
    np.testing.assert_array_equal(Index.load(folders[kind]).search(QUERIES, 3)[0], first)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mapped_index_can_be_saved_where_it_lies(kind: Kind, folders: dict[Kind, Path], tmp_path: Path) -> None:
    Index.load(folders[kind]).save(tmp_path)
    index = Index.load(tmp_path)
    before, _ = index.search(QUERIES, 5)
    index.remove(before[:, 0])
    index.save(tmp_path)
    np.testing.assert_array_equal(index.search(QUERIES, 4)[0], Index.load(tmp_path).search(QUERIES, 4)[0])
    assert not np.isin(before[:, 0], Index.load(tmp_path).search(QUERIES, 50)[0]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_when_nearly_all_are_gone_the_rest_is_found(folders: dict[Kind, Path], kind: Kind) -> None:
    index = Index.load(folders[kind])
    index.remove(np.arange(20, COUNT))
    ids, scores = index.search(QUERIES, 99)
    assert ids.shape == (len(QUERIES), 20)
    found = ids[ids >= 0]
    assert found.max() < 20
    assert len(found) >= 0.93 * ids.size
    assert np.isneginf(scores[ids < 0]).all()
    index.remove(np.arange(20))
    assert len(index) == 0
    assert index.search(QUERIES, 5)[0].shape == (len(QUERIES), 0)


def test_exact_search_is_exact_on_few_vectors_with_ids_of_ones_own() -> None:
    vectors, ids = VECTORS[:50], np.arange(50) * 7 + 3
    index = Index.build(vectors, ids_N=ids)
    found, scores = index.search(QUERIES, 99)
    np.testing.assert_array_equal(found, ids[nearest(vectors, QUERIES, 50)])
    np.testing.assert_allclose(scores, -np.sort(-(QUERIES @ vectors.T), axis=1), atol=1e-6)
    with pytest.raises(ValueError, match="dimensions"):
        index.search(QUERIES[:, :4], 1)
    with pytest.raises(ValueError, match="dimensions"):
        index.add(QUERIES[:, :4], np.arange(20))


def test_effort_follows_the_recall_that_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    efforts = []
    for recall in (0.5, 0.99):
        facts = Index.build(VECTORS, IndexConfig(kind="ivf-pq", recall=recall)).facts
        assert facts.recall >= recall
        efforts.append(facts.effort)
    assert efforts[0] < efforts[1]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    with caplog.at_level(logging.WARNING):
        facts = Index.build(VECTORS, IndexConfig(kind="ivf-pq", effort=1), queries_SD=QUERIES).facts
    assert facts.effort == 1
    assert facts.recall < 0.9
    assert "--index.effort" in caplog.text


def test_bytes_a_vector() -> None:
    flat = faiss.index_factory(8, "Flat", faiss.METRIC_INNER_PRODUCT)
    assert bytes_a_vector("exact", flat) == (32, 0)
    # 4 bytes of code, 8 of the row; 256 cells of 16 float32; float16 beside.
    ivf_pq = Index.build(VECTORS, IndexConfig(kind="ivf-pq"))
    cells = min(COUNT // 39, 200)
    assert ivf_pq.bytes_a_vector == (pytest.approx(4 + 8 + cells * 64 / COUNT), 32)


def test_the_kind_follows_the_size() -> None:
    kinds = [choose_kind(IndexConfig(), count) for count in (0, 100_000, 100_001, 300_000, 300_001, 10**7)]
    assert kinds == ["exact", "exact", "hnsw", "hnsw", "ivf-pq", "ivf-pq"]
    assert choose_kind(IndexConfig(kind="hnsw"), 5) == "hnsw"


@pytest.mark.parametrize(
    ("config", "count", "told"),
    [
        (IndexConfig(kind="ivf-pq"), 9983, "9983 vectors are too few .* takes 9984; use --index.kind exact"),
        (IndexConfig(kind="ivf-pq", cells=257), COUNT, "--index.cells 257: .* at most 256 cells"),
        (IndexConfig(kind="ivf-pq", code=5), COUNT, "--index.code 5: must divide .* 1, 2, 4, 8, 16"),
        (IndexConfig(recall=1.5), 10, "--index.recall 1.5: choose a value from 0 to 1"),
        (IndexConfig(links=1), 10, "--index.links 1: choose a value of 2 or more"),
    ],
)
def test_settings_that_do_not_fit_are_the_users_error(config: IndexConfig, count: int, told: str) -> None:
    with pytest.raises(UserError, match=told):
        Index.build(VECTORS[:count], config)


def test_ids_that_do_not_fit_are_told() -> None:
    index = Index.build(VECTORS[:5])
    with pytest.raises(UserError, match=r"id 4 is in the index already \(2 such ids\)"):
        index.add(VECTORS[:3], np.array([5, 4, 3]))
    with pytest.raises(UserError, match="id 9 is given twice"):
        index.add(VECTORS[:2], np.array([9, 9]))
    with pytest.raises(UserError, match=r"id -2: .* not be negative"):
        index.add(VECTORS[:1], np.array([-2]))
    index.remove(np.array([1]))
    for unknown in (1, -1, 77):
        with pytest.raises(UserError, match=f"id {unknown} is not in the index"):
            index.remove(np.array([0, unknown]))
    assert sorted(index.search(VECTORS[:1], 9)[0][0]) == [0, 2, 3, 4]


def test_missing_or_damaged_files_are_the_users_error(folders: dict[Kind, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"index\.faiss is missing"):
        Index.load(tmp_path)
    for path in folders["exact"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    np.save(tmp_path / "index-ids.npy", np.arange(3))
    with pytest.raises(UserError, match=r"10000 vectors but index-ids\.npy 3"):
        Index.load(tmp_path)
    (tmp_path / "index.faiss").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="cannot read"):
        Index.load(tmp_path)
