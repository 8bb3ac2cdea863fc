"""The server's JSON: what it answers is what the run holds, and what it refuses it refuses with a reason."""

import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from data.posts import Posts
from ensemble.live import Live
from ensemble.pipeline import RunConfig
from recall.search import Searcher
from tests.pipeline.serving import serving, until

MISSING = "no-such-thing"


@pytest.fixture(scope="module")
def run(finished: tuple[RunConfig, str]) -> Path:
    return finished[0].out


@pytest.fixture(scope="module")
def client(run: Path) -> Iterator[TestClient]:
    with serving(run, upload_bytes=200_000, upload_pixels=1_000_000) as client:
        yield client


@pytest.fixture(scope="module")
def searcher(run: Path) -> Searcher:
    return Searcher.load(run / "recall")


@pytest.fixture(scope="module")
def phrase(searcher: Searcher) -> str:
    """Two words that posts of the world hold."""
    return " ".join(searcher.models.vocabulary.words[3:5])


def refused(response, status: int, told: str) -> None:  # noqa: ANN001
    assert response.status_code == status, response.text
    assert set(response.json()) == {"detail"}
    assert told in response.json()["detail"]


def test_the_leaderboard_is_that_of_the_run(client: TestClient, run: Path) -> None:
    table = pd.read_parquet(run / "leaderboard" / "leaderboard.parquet")
    told = client.get("/api/leaderboard").json()
    assert told["found"] == len(table) == len(told["styles"])
    assert told["origin"] == str(table["origin"].iloc[0].date()) == told["origins"][-1]
    assert told["classes"] == ["falls", "holds", "rises"]
    for row, style in zip(table.to_dict("records"), told["styles"], strict=True):
        assert style["style"] == row["style"]
        for name in (
            "share_now",
            "share_predicted",
            "lower",
            "upper",
            "lower_95",
            "upper_95",
            "p_up",
            "likes_per_post",
        ):
            assert style[name] == (None if np.isnan(row[name]) else pytest.approx(row[name]))
        assert ";".join(style["pictures"]) == row["pictures"]
        assert " ".join(style["keywords"]) == row["keywords"]


def test_the_leaderboard_is_filtered_sorted_and_cut(client: TestClient) -> None:
    everything = client.get("/api/leaderboard").json()["styles"]
    by_share = client.get("/api/leaderboard", params={"sort": "-share_predicted", "limit": 2, "offset": 1}).json()
    assert [s["style"] for s in by_share["styles"]] == [
        s["style"] for s in sorted(everything, key=lambda s: -s["share_predicted"])[1:3]
    ]
    assert by_share["found"] == len(everything)
    word = everything[0]["keywords"][0]
    some = client.get("/api/leaderboard", params={"filter": f"{word.upper()} {everything[0]['style']}"}).json()
    assert [s["style"] for s in some["styles"]] == [everything[0]["style"]]
    assert client.get("/api/leaderboard", params={"filter": "("}).json()["found"] == 0
    earlier = client.get("/api/leaderboard").json()["origins"][0]
    assert client.get("/api/leaderboard", params={"origin": earlier}).json()["origin"] == earlier
    refused(client.get("/api/leaderboard?origin=2001-01-01"), 404, "no forecast was made on 2001-01-01")
    refused(client.get("/api/leaderboard?origin=May"), 422, "origin")
    refused(client.get("/api/leaderboard?sort=pictures"), 422, "no such column; there are rank")
    refused(client.get("/api/leaderboard?limit=0"), 422, "limit")


def test_a_style_is_told_with_history_forecast_and_reasons(client: TestClient, run: Path) -> None:
    first = client.get("/api/leaderboard").json()["styles"][0]
    told = client.get(f"/api/styles/{first['style']}").json()
    assert told["style"] == first
    ends = [period["end"] for period in told["history"]]
    assert ends[-1] == told["origin"]
    assert ends == sorted(ends)
    posts = pd.read_parquet(run / "styles" / "panel.parquet")
    last = posts[(posts["date"] > pd.Timestamp(ends[-2])) & (posts["date"] <= pd.Timestamp(ends[-1]))]
    share = last.loc[last["style"] == first["style"], "count"].sum() / last.drop_duplicates("date")["total"].sum()
    assert told["history"][-1]["share"] == pytest.approx(share)
    reasons = pd.read_parquet(run / "ensemble" / "reasons.parquet")
    mine = reasons[(reasons["style"] == first["style"]) & (reasons["origin"] == pd.Timestamp(told["origin"]))]
    for name in ("text", "text_zh"):
        assert [reason[name] for reason in told["reasons"]] == mine.sort_values("number")[name].tolist()
    assert told["truth"] is None  # the feed ends before the period does
    known = {style["style"] for style in client.get("/api/leaderboard").json()["styles"]}
    assert {other["style"] for other in told["nearest"]} == known - {first["style"]}
    cosines = [other["cosine"] for other in told["nearest"]]
    assert cosines == sorted(cosines, reverse=True)
    assert told["lineage"] == []
    forecast = pd.read_parquet(run / "ensemble" / "forecast.parquet")
    said = forecast[(forecast["model"] == "ensemble") & (forecast["style"] == first["style"])
                    & (forecast["target_end"] <= told["origin"])].sort_values("origin")  # fmt: skip
    assert [row["share"] for row in told["past"]] == pytest.approx(said["share"].tolist())
    for row in told["past"]:
        then = posts[(posts["date"] >= row["target_start"]) & (posts["date"] <= row["target_end"])]
        mine = then.loc[then["style"] == first["style"], "count"].sum()
        assert row["truth"] == pytest.approx(mine / then.drop_duplicates("date")["total"].sum())
    for name in (MISSING, "../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "<script>"):
        assert client.get(f"/api/styles/{name}").status_code == 404


def test_the_board_tells_the_record_and_what_is_new(client: TestClient, run: Path) -> None:
    told = client.get("/api/leaderboard?limit=1&filter=nothing").json()
    metrics = pd.read_csv(run / "ensemble" / "metrics.csv")
    mine = metrics[(metrics["split"] == "test") & (metrics["model"] == "ensemble")].iloc[0]
    assert told["record"]["rows"][0]["model"] == "ensemble"
    assert told["record"]["rows"][0]["mae"] == pytest.approx(mine["mae"])
    assert told["record"]["verdict"] in ("won", "lost")
    proposals = pd.read_csv(run / "styles" / "emerging.csv")
    assert {new["proposal"] for new in told["emerging"]} <= set(proposals["proposal"])


def test_a_search_finds_what_the_command_finds(client: TestClient, run: Path, searcher: Searcher, phrase: str) -> None:
    told = client.get("/api/search", params={"q": f"{phrase} {MISSING}", "k": 7}).json()
    found = searcher.search(phrase, 7)
    assert [hit["picture"] for hit in told["hits"]] == found["picture_id"].tolist()
    np.testing.assert_allclose([hit["score"] for hit in told["hits"]], found["score"], rtol=1e-5)
    assert told["words"] == phrase.split()
    assert told["unknown"]
    assert told["told"] == ""
    belongs = pd.read_parquet(run / "styles" / "assignments.parquet").set_index("id")
    names = pd.read_parquet(run / "styles" / "styles.parquet").set_index("style")["name"]
    for hit in told["hits"]:
        assert (hit["style"], hit["emerging"]) == tuple(belongs.loc[hit["picture"], ["style", "emerging"]])
        assert hit["style_name"] == names[hit["style"]]


def test_a_search_that_cannot_be_says_why(client: TestClient) -> None:
    told = client.get("/api/search", params={"q": "火星车"})
    assert told.status_code == 200
    assert told.json()["hits"] == []
    assert "no picture was ever described with: 火星" in told.json()["told"]
    refused(client.get("/api/search"), 422, "q: Field required")
    refused(client.get("/api/search?q="), 422, "q: ")
    refused(client.get("/api/search?q=%20%20"), 422, "the phrase is empty")
    refused(client.get("/api/search", params={"q": "x" * 201}), 422, "q: ")
    for k in ("0", "201", "-1", "many"):
        refused(client.get("/api/search", params={"q": "x", "k": k}), 422, "k: ")


@pytest.fixture(scope="module")
def sent(run: Path, world: Path) -> tuple[str, bytes]:
    """A picture of the run that has no copy and belongs to a style: its id and file."""
    posts = Posts.load(run / "prepare")
    belongs = pd.read_parquet(run / "styles" / "assignments.parquet").set_index("id")
    single = ~posts.pictures["family"].duplicated(keep=False) & ~belongs["emerging"][posts.pictures["picture_id"]].array
    picture = posts.pictures[single.to_numpy(bool)].iloc[3]
    return picture["picture_id"], (world / picture["path"]).read_bytes()


def test_a_picture_of_the_run_finds_itself_and_its_style(
    client: TestClient, run: Path, sent: tuple[str, bytes]
) -> None:
    name, data = sent
    told = client.post("/api/search?k=5", files={"picture": ("a.jpg", data, "image/jpeg")}).json()
    assert len(told["hits"]) == 5
    assert told["hits"][0]["score"] == pytest.approx(1, abs=1e-4)
    assert name in [hit["picture"] for hit in told["hits"] if hit["score"] > told["hits"][0]["score"] - 1e-4]
    belongs = pd.read_parquet(run / "styles" / "assignments.parquet").set_index("id")
    assert told["style"]["style"] == belongs.at[name, "style"]
    assert told["style"]["distance"] == pytest.approx(belongs.at[name, "distance"], rel=1e-3)
    assert not told["style"]["emerging"]
    plain = client.post("/api/search?k=5", content=data, headers={"content-type": "image/jpeg"})
    assert plain.json() == told


def encoded(kind: str, *size: int) -> bytes:
    file = BytesIO()
    Image.effect_noise(size, 80).convert("1" if kind == "TIFF" else "RGB").save(file, kind)
    return file.getvalue()


def test_a_picture_that_cannot_be_used_says_why(client: TestClient, sent: tuple[str, bytes]) -> None:
    def post(data, kind: str = "image/png"):  # noqa: ANN001, ANN202
        return client.post("/api/search", content=data, headers={"content-type": kind})

    bomb = BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 200_000
    refused(post(bomb.getvalue()), 413, "9000×9000 pixels are more than 1,000,000")
    refused(post(bytes(204_097)), 413, "more than 204,096 bytes")
    unannounced = (bytes(50_000) for _ in range(5))
    refused(post(unannounced), 413, "more than 204,096 bytes")
    refused(post(b"\x89PNG, or not"), 415, "no picture that can be read")
    refused(post(encoded("TIFF", 32, 32)), 415, "send one of JPEG")
    refused(post(sent[1][: len(sent[1]) // 2], "image/jpeg"), 422, "unreadable picture")
    refused(post(b""), 422, "the picture is empty")
    one_colour = BytesIO()
    Image.new("RGB", (40, 40), "red").save(one_colour, "PNG")
    refused(post(one_colour.getvalue()), 422, "nearly one colour")
    refused(post(sent[1], "text/plain"), 415, "send a picture as image/jpeg")
    refused(client.post("/api/search", data={"picture": "x"}), 415, "multipart/form-data")
    refused(client.post("/api/search", files={"picture": (None, "x")}), 422, "holds no file")
    refused(client.post("/api/search", content=b"x", headers={"content-type": "multipart/form-data"}), 400, "boundary")
    refused(client.post("/api/search?k=0", content=sent[1]), 422, "k: ")


def test_the_api_is_described(client: TestClient) -> None:
    told = client.get("/openapi.json").json()
    assert set(told["paths"]) == {
        "/api/leaderboard", "/api/styles/{style}", "/api/search", "/health", "/metrics",
    }  # fmt: skip
    assert set(told["paths"]["/api/search"]) == {"get", "post"}
    assert "413" in told["paths"]["/api/search"]["post"]["responses"]
    assert "multipart/form-data" in told["paths"]["/api/search"]["post"]["requestBody"]["content"]


def test_requests_are_counted_by_route(run: Path) -> None:
    with serving(run) as client:
        for path in ("/api/styles/nobody", "/api/styles/no/body", "/nowhere/1", "/nowhere/2"):
            assert client.get(path).status_code == 404
        told = list(text_string_to_metric_families(client.get("/metrics").text))
    samples = {(s.name, s.labels.get("route"), s.labels.get("status")): s.value for f in told for s in f.samples}
    assert samples["stylecast_requests_total", "/api/styles/{style:path}", "404"] == 2
    assert samples["stylecast_requests_total", "none", "404"] == 2
    assert samples["stylecast_request_seconds_count", "none", None] == 2
    size = {s.labels["what"]: s.value for f in told for s in f.samples if f.name == "stylecast_run_size"}
    assert size["pictures"] == len(Posts.load(run / "prepare").pictures)


def test_a_failure_shows_no_trace(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Live, phrase: str, k: int) -> None:
        raise RuntimeError("secret of the house")

    with serving(run) as client:
        monkeypatch.setattr(Live, "search", fail)
        response = client.get("/api/search?q=x")
    refused(response, 500, "the server failed")
    assert "secret" not in response.text


def test_a_damaged_run_is_not_served_until_it_is_whole(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    told = copy / "ensemble" / "metrics.csv"
    whole = told.read_bytes()
    told.write_bytes(whole + b" ")
    with serving(copy, poll=0.05) as client:
        health = client.get("/health")
        assert (health.status_code, health.json()["state"]) == (503, "damaged")
        assert "metrics.csv: damaged" in health.json()["problem"]
        refused(client.get("/api/leaderboard"), 503, "damaged")
        assert client.get("/").status_code == 503
        told.write_bytes(whole)
        until(client, lambda: client.get("/health").status_code == 200)
        ready = client.get("/health").json()
        assert ready["problem"] == ""
        assert set(ready["runs"]) == {"prepare", "recall", "styles", "ensemble"}
        assert ready["versions"]["torch"]
        # One stage is replaced by another's: the run before stays in service.
        manifest = copy / "prepare" / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"content": "', '"content": "0'))
        until(client, lambda: "another posts" in client.get("/health").json()["problem"])
        assert client.get("/api/leaderboard").status_code == 200


def test_a_run_without_dates_is_searched_all_the_same(run: Path, tmp_path: Path, phrase: str) -> None:
    for stage in ("prepare", "recall"):
        shutil.copytree(run / stage, tmp_path / "undated" / stage)
    with serving(tmp_path / "undated") as client:
        hit = client.get("/api/search", params={"q": phrase}).json()["hits"][0]
        assert (hit["style"], hit["style_name"], hit["emerging"]) == (None, None, False)
        refused(client.get("/api/leaderboard"), 404, "no forecasts")
        assert client.get("/", follow_redirects=False).headers["location"] == "/search"
        assert client.get("/search", params={"q": phrase}).status_code == 200
