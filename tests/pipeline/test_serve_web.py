"""The server's pages, who may ask for them, and the command that starts it."""

import base64
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from ensemble import serve
from ensemble.pipeline import RunConfig
from ensemble.serve import ServeConfig, check_packages, main
from recall.search import Searcher
from stylecast.errors import UserError
from tests.pipeline.serving import serving

NASTY = '"><script>alert(1)</script>'


class Page(HTMLParser):
    """Tags and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def addresses(self) -> list[str]:
        return [a[k] or "" for _, a in self.tags for k in ("href", "src", "action") if k in a]


@pytest.fixture(scope="module")
def run(finished: tuple[RunConfig, str]) -> Path:
    return finished[0].out


@pytest.fixture(scope="module")
def client(run: Path) -> Iterator[TestClient]:
    with serving(run) as client:
        yield client


@pytest.fixture(scope="module")
def phrase(run: Path) -> str:
    return Searcher.load(run / "recall").models.vocabulary.words[3]


def test_the_leaderboard_page_is_that_of_the_run(client: TestClient, run: Path) -> None:
    response = client.get("/")
    written = (run / "leaderboard" / "index.html").read_text(encoding="utf-8")
    # The server's has a link to the search and a choice of origins; all else is the same.
    more = re.compile(r'"search":"[^"]*","origins":\[[^]]*\]')
    assert more.search(response.text)[0].startswith('"search":"/search","origins":["')
    assert more.search(written)[0] == '"search":"","origins":[]'
    assert more.sub("", response.text) == more.sub("", written)
    weights = json.loads((run / "ensemble" / "weights.json").read_text(encoding="utf-8"))
    told = re.search(r'"reasons_weight":([0-9.]+)', written)
    assert told is not None
    assert float(told[1]) == pytest.approx(list(weights["weights_at"].values())[-1]["lightgbm"], abs=1e-3)
    policy = response.headers["content-security-policy"]
    assert re.search(r"script-src 'sha256-[^']+'", policy)
    assert "default-src 'none'" in policy
    first = client.get("/api/leaderboard").json()["origins"][0]
    assert f'"origin":"{first}"' in client.get("/", params={"origin": first}).text
    assert client.get("/?origin=2001-01-01").status_code == 404


def test_every_answer_is_safe_in_a_browser(client: TestClient) -> None:
    for path in ("/", "/search", "/api/leaderboard", "/nowhere", "/health", "/assets/search.css"):
        headers = client.get(path, headers={"origin": "https://elsewhere.example"}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
    assert client.get("/docs").status_code == 404  # it would load a script from elsewhere


def test_the_search_page_shows_hits_without_a_script(client: TestClient, phrase: str) -> None:
    empty = Page(client.get("/search").text)
    assert [form["method"] for form in empty.all("form")] == ["get", "post"]
    labels = {label["for"] for label in empty.all("label")}
    assert {field["id"] for field in empty.all("input")} == labels
    assert empty.all("html")[0]["lang"]
    html = client.get("/search", params={"q": phrase, "k": 5}).text
    page = Page(html)
    assert not page.all("script")
    assert not [attrs for _, attrs in page.tags if "style" in attrs or any(name.startswith("on") for name in attrs)]
    assert all(address.startswith(("/", "#")) and not address.startswith("//") for address in page.addresses)
    hits = client.get("/api/search", params={"q": phrase, "k": 5}).json()["hits"]
    assert len(page.all("img")) == 5
    for image, hit in zip(page.all("img"), hits, strict=True):
        assert image["alt"] == hit["title"] or image["alt"].startswith("picture ")
        assert hit["style_name"] in html
        assert client.get(image["src"]).headers["content-type"] == "image/jpeg"
    for address in {address for address in page.addresses if not address.startswith("#")}:
        assert client.get(address).status_code == 200
    unknown = client.get("/search", params={"q": "火星车"}).text
    assert "No picture was ever described with: 火星车. Try other words." in unknown
    assert "没有图片的文字含有：火星车。" in client.get("/search", params={"q": "火星车", "lang": "zh"}).text


def test_the_language_is_carried_along_where_it_was_chosen(client: TestClient, phrase: str) -> None:
    for asked, chosen, other in (("zh", "zh", "en"), ("en", "en", "zh"), ("", "", "zh"), ("fr", "", "zh")):
        page = Page(client.get("/search", params={"q": phrase, "k": 3} | ({"lang": asked} if asked else {})).text)
        hidden = [field["value"] for field in page.all("input") if field.get("type") == "hidden"]
        assert hidden == ([chosen] if chosen else [])
        assert page.all("form")[1]["action"] == (f"/search?lang={chosen}" if chosen else "/search")
        links = {link["id"]: link["href"] for link in page.all("a") if "id" in link}
        assert links["board"] == (f"/#lang={chosen}" if chosen else "/")
        switched = Page(client.get(links["language"]).text)
        assert switched.all("html")[0]["lang"] == ("zh-Hans" if other == "zh" else "en")
        assert len(switched.all("img")) == 3
    # What a picture found has no address, so there is no switch that would lose it.
    picture = client.get("/api/search", params={"q": phrase, "k": 1}).json()["hits"][0]["picture"]
    sent = {"picture": ("a.jpg", client.get("/originals", params={"id": picture}).content, "image/jpeg")}
    answer = Page(client.post("/search?lang=zh", files=sent).text)
    assert answer.all("html")[0]["lang"] == "zh-Hans"
    assert "language" not in {link.get("id") for link in answer.all("a")}


def test_a_picture_is_sent_by_the_page(client: TestClient, phrase: str) -> None:
    picture = client.get("/api/search", params={"q": phrase, "k": 1}).json()["hits"][0]["picture"]
    data = client.get("/originals", params={"id": picture}).content
    page = client.post("/search", files={"picture": ("a.jpg", data, "image/jpeg")}).text
    assert "Style of the picture" in page
    assert len(Page(page).all("img")) == 24
    refused = client.post("/search", files={"picture": ("a.jpg", b"no picture", "image/jpeg")})
    assert refused.status_code == 415
    assert "The file is no picture that can be read: send a JPEG" in refused.text
    refused = client.post("/search?lang=zh", files={"picture": ("a.jpg", b"no picture", "image/jpeg")})
    assert "无法读取该文件" in refused.text


def test_what_people_wrote_stays_text(run: Path, phrase: str) -> None:
    with serving(run) as client:
        live = client.app.state.keeper.live
        live.searcher.pictures["title"] = NASTY
        live.membership.names.update(dict.fromkeys(live.membership.names, NASTY))
        for q in (phrase, NASTY, f"{phrase} {NASTY}"):
            page = client.get("/search", params={"q": q}).text
            assert "<script" not in page
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        told = client.get("/api/search", params={"q": phrase})
        assert told.headers["content-type"] == "application/json"
        assert told.json()["hits"][0]["title"] == NASTY


def test_pictures_come_from_the_run_alone(client: TestClient, run: Path, phrase: str, tmp_path: Path) -> None:
    picture = client.get("/api/search", params={"q": phrase, "k": 1}).json()["hits"][0]["picture"]
    for side, expected in ((16, 16), (1024, 32)):
        shown = client.get("/pictures", params={"id": picture, "side": side})
        assert Image.open(BytesIO(shown.content)).size == (expected, expected)
    assert client.get("/pictures", params={"id": picture, "side": 100_000}).status_code == 422
    assert Image.open(BytesIO(client.get("/originals", params={"id": picture}).content)).format == "JPEG"
    for path in ("/pictures", "/originals"):
        for name in ("../../etc/passwd", "/etc/passwd", "..", "nobody/0", "", "\x00"):
            assert client.get(path, params={"id": name}).status_code == 404
    for path in ("/pictures/../../etc/passwd", "/assets/../page.py", "/assets/%2e%2e%2fpage.py", "/assets/page.py"):
        assert client.get(path).status_code == 404
    # Even a path that a run should never hold leads nowhere.
    secret = tmp_path / "secret.png"
    Image.new("RGB", (50, 50)).save(secret)
    with serving(run) as other:
        pictures = other.app.state.keeper.live.posts.pictures
        for name in (str(secret), f"../{secret.name}", "../../../../../../etc/passwd"):
            pictures["path"] = name
            assert other.get("/originals", params={"id": picture}).status_code == 404


def test_who_brings_the_token_comes_in(run: Path) -> None:
    with serving(run, token="open-sesame", host="0.0.0.0") as client:
        for path in ("/", "/api/leaderboard", "/search", "/pictures?id=x", "/metrics", "/openapi.json", "/nowhere"):
            refused = client.get(path)
            assert refused.status_code == 401
            assert "Bearer" in refused.headers["www-authenticate"]
            assert refused.headers["x-content-type-options"] == "nosniff"
        assert client.get("/health").json() == {"state": "ready", "problem": "", "runs": {}, "versions": {}}
        basic = base64.b64encode(b"anyone:open-sesame").decode()
        wrong = base64.b64encode(b"open-sesame").decode()
        for headers, status in (
            ({"Authorization": "Bearer open-sesame"}, 200), ({"X-Api-Key": "open-sesame"}, 200),
            ({"Authorization": f"Basic {basic}"}, 200), ({"Authorization": f"Basic {wrong}"}, 401),
            ({"Authorization": "Basic %%%"}, 401), ({"Authorization": "Bearer open-sesam"}, 401),
            ({"Authorization": "Bearer"}, 401), ({"X-Api-Key": ""}, 401), ({"X-Api-Key": "öffne"}, 401),
        ):  # fmt: skip
            headers = {name: value.encode() for name, value in headers.items()}
            assert client.get("/api/leaderboard", headers=headers).status_code == status
        assert client.get("/health", headers={"X-Api-Key": "open-sesame"}).json()["runs"]


def test_a_page_elsewhere_cannot_ask_through_a_visitor(client: TestClient) -> None:
    assert client.get("/api/leaderboard", headers={"host": "elsewhere.example"}).status_code == 421
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        assert client.get("/api/leaderboard", headers={"host": host}).status_code == 200


def test_an_open_address_needs_a_token(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(serve.TOKEN, raising=False)
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", ""):
        with pytest.raises(UserError, match="others can reach this address"):
            ServeConfig(run=run, host=host).check()
        ServeConfig(run=run, host=host, token="secret").check()
    monkeypatch.setenv(serve.TOKEN, "secret")
    ServeConfig(run=run, host="10.0.0.1").check()
    monkeypatch.delenv(serve.TOKEN)
    for host in ("127.0.0.1", "::1", "localhost", "127.1.2.3"):
        ServeConfig(run=run, host=host).check()
    for wrong, told in (({"token": "a b"}, "--token"), ({"port": 70_000}, "--port"), ({"threads": 0}, "--threads"),
                        ({"run": run.parent}, "holds no run of `prepare`")):  # fmt: skip
        with pytest.raises(UserError, match=told):
            ServeConfig(**({"run": run} | wrong)).check()


def test_missing_packages_and_a_taken_port_are_told(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve.open_socket("127.0.0.1", 0) as taken, pytest.raises(UserError, match="cannot listen there"):
        main(ServeConfig(run=run, port=taken.getsockname()[1]))
    monkeypatch.setitem(serve.NEEDED, "nowhere_to_be_found", "nowhere-to-be-found")
    with pytest.raises(UserError, match=r"needs nowhere-to-be-found; install with: pip install '.\[serve\]'"):
        check_packages()


def test_small_answers_are_sent_at_once() -> None:
    with serve.open_socket("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP  # what asyncio asks before it sets TCP_NODELAY


def get(address: str) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(address, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_the_command_serves_until_it_is_stopped(run: Path, phrase: str) -> None:
    command = [sys.executable, "-m", "stylecast", "serve", str(run), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            base = next(match[1] for line in server.stderr if (match := re.match(r"(http://127\.0\.0\.1:\d+) ", line)))
            until = time.monotonic() + 60
            while (told := get(f"{base}/health"))[1]["state"] == "loading" and time.monotonic() < until:
                time.sleep(0.1)
            assert told[0] == 200, told
            status, found = get(f"{base}/api/search?k=3&q={urllib.request.quote(phrase)}")
            assert (status, len(found["hits"])) == (200, 3)
            assert get(f"{base}/api/search?q=")[0] == 422
        finally:
            server.send_signal(signal.SIGTERM)
            errors = server.stderr.read()
            server.wait(30)
    assert server.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in errors
