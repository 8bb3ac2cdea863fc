"""How long a phrase search takes over HTTP, at a steady rate, from a real server on this machine.

    pip install -e '.[cpu,dev]'
    OMP_NUM_THREADS=1 python benchmarks/serve.py                                        # 100,000 pictures, 20 a second
    OMP_NUM_THREADS=1 python benchmarks/serve.py --pictures 20000 --seconds 10

Server and load share the machine's cores. A run of the right form is made first: random weights and vectors in
clusters cost what trained ones cost. Every request has its moment, whether the ones before it were answered or not,
and its time counts from that moment: a server that falls behind is seen to. Beside it, in the same minute, the plain
search in this process, by one thread; the ratio of the two says what HTTP, the answer and the waiting add, however
busy the machine is. The CPU time of a request tells what an idle machine would need.

Shapes: N pictures, H heads, D dimensions.
"""

import asyncio
import gc
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2
import numpy as np
import pandas as pd
import torch
import tyro

from data.lexicon import Lexicon
from data.prepare import PrepareConfig
from pretrain.encoder import EncoderConfig, build_encoder
from pretrain.vocabulary import FIRST_WORD, MARKS, Vocabulary
from recall.cluster import Clusters
from recall.embeddings import HEADS, Embeddings, normalise
from recall.gallery import Blend
from recall.hubs import BANK, HUBNESS, hubness
from recall.index import Index
from recall.matcher import BLEND
from recall.matchers import TextEncoder
from recall.phrases import WordLevels
from recall.search import Searcher
from recall.styles import StylesConfig
from recall.train import PICTURES, RecallConfig
from stylecast.checkpoint import WEIGHTS, save_parts
from stylecast.cli import guarded
from stylecast.errors import UserError
from stylecast.logs import set_up_logging
from stylecast.runs import open_run

SIDE, STYLES, WORDS = 16, 40, 4000


@dataclass(frozen=True)
class ServeBenchmarkConfig:
    """How large a run, and what load."""

    pictures: int = 100_000
    """Pictures, at least 1,000."""
    dim: int = 128
    """Dimensions of a head."""
    heads: int = 5
    """Heads of a picture."""
    rate: float = 20.0
    """Requests a second."""
    seconds: float = 20.0
    """How long, seconds."""
    words: int = 2
    """Words of a phrase; each request asks for others."""
    k: int = 20
    """Pictures of an answer."""
    threads: int = 2
    """Searches that the server works on at a time."""
    goal: float = 50.0
    """Most milliseconds that the slowest twentieth may begin at."""
    seed: int = 0
    """Seed of vectors and phrases."""


def word_of(number: int) -> str:
    """A word that the cutter leaves whole."""
    return "w" + "".join(chr(ord("a") + int(digit)) for digit in str(number))


def make_run(config: ServeBenchmarkConfig, run: Path) -> None:
    """Runs of `prepare`, `recall` and `styles`, as the stages leave them."""
    rng = np.random.default_rng(config.seed)
    count, shape = config.pictures, (config.pictures, config.heads, config.dim)
    pictures = pd.DataFrame({"post_id": [f"p{row:07d}" for row in range(count)]})
    pictures["picture_id"], pictures["path"] = pictures["post_id"] + "/0", pictures["post_id"] + ".jpg"
    with open_run(run / "prepare", "prepare", PrepareConfig(posts=run / "posts.csv", picture_size=SIDE), {}) as made:
        assert made is not None
        pictures.to_parquet(made.folder / "pictures.parquet", index=False)
        posts = pictures[["post_id"]].assign(title="a title of usual length")
        posts.to_parquet(made.folder / "posts.parquet", index=False)
        np.save(made.folder / "images.npy", np.zeros((count, SIDE, SIDE, 3), np.uint8))
    with open_run(run / "recall", "recall", RecallConfig(), {"posts": run / "prepare"}) as made:
        assert made is not None
        centres = rng.standard_normal((STYLES, *shape[1:]), dtype=np.float32)
        label_N = rng.integers(0, STYLES, count)
        heads_NHD = (centres[label_N] + rng.standard_normal(shape, dtype=np.float32)).astype(np.float16)
        _write_recall(config, made.folder, heads_NHD, pictures.assign(title="a title of usual length"))
    with open_run(run / "styles", "styles", StylesConfig(), {"recall": run / "recall"}) as made:
        assert made is not None
        names = [f"s{style:02d}" for style in range(STYLES)]
        table = pd.DataFrame({"style": names, "name": [f"style {name}" for name in names], "cluster": range(STYLES)})
        table.to_parquet(made.folder / "styles.parquet", index=False)
        belongs = pd.DataFrame({"id": pictures["picture_id"], "style": np.array(names)[label_N], "emerging": False})
        belongs.to_parquet(made.folder / "assignments.parquet", index=False)
        flat = centres.reshape(STYLES, -1).astype(np.float64)
        wide = flat.shape[1]
        Clusters(np.zeros(wide), np.eye(wide), flat, 1.0, {}, {}).save(made.folder / "clusters.safetensors")


def _write_recall(config: ServeBenchmarkConfig, folder: Path, heads_NHD: np.ndarray, pictures: pd.DataFrame) -> None:
    torch.manual_seed(config.seed)
    encoder = build_encoder(EncoderConfig(heads=config.heads, dim=config.dim))
    words = MARKS + tuple(word_of(number) for number in range(WORDS))
    vocabulary = Vocabulary(words, (0,) * FIRST_WORD + (10,) * WORDS, 100_000)
    text = TextEncoder(torch.randn(len(words), config.dim))
    save_parts(torch.nn.ModuleDict({"encoder": encoder, "text": text}), folder / WEIGHTS)
    encoder.save(folder)
    text.save(folder)
    vocabulary.save(folder)
    Lexicon().save(folder)
    (folder / BLEND).write_text(json.dumps(asdict(Blend(0.4, 0.2, 1.0, 1.0, 1.0))), encoding="utf-8")
    np.save(folder / HEADS, heads_NHD)
    vectors_ND = normalise(heads_NHD[:, 0].astype(np.float32))
    Embeddings(pictures["picture_id"].to_numpy(str), vectors_ND).save(folder)
    WordLevels.measure(text.vectors(), heads_NHD).save(folder)
    bank_BW = np.arange(FIRST_WORD, FIRST_WORD + 16)[:, None]
    np.save(folder / BANK, bank_BW)
    np.save(folder / HUBNESS, hubness(text, bank_BW, heads_NHD, 1.0, 1.0))
    Index.build(vectors_ND).save(folder)
    pictures[["picture_id", "post_id", "path", "title"]].to_parquet(folder / PICTURES, index=False)


def phrases(config: ServeBenchmarkConfig, count: int, stream: int) -> list[str]:
    """Phrases, of which hardly two are the same: nothing is answered from memory."""
    rng = np.random.default_rng([config.seed, stream])
    return [" ".join(map(word_of, rng.integers(0, WORDS, config.words))) for _ in range(count)]


def plain_times(config: ServeBenchmarkConfig, searcher: Searcher, count: int, stream: int) -> list[float]:
    """Milliseconds of searches in this process, at the rate of the requests: between two, caches cool down as well."""
    times = []
    start = time.perf_counter()
    for number, phrase in enumerate(phrases(config, count, stream)):
        time.sleep(max(0.0, start + number / config.rate - time.perf_counter()))
        started = time.perf_counter()
        searcher.search(phrase, config.k)
        times.append(1000 * (time.perf_counter() - started))
    return times


async def load(config: ServeBenchmarkConfig, base: str, seconds: float, stream: int) -> tuple[list[float], int]:
    """Milliseconds of answered requests, each from the moment that it was due, and how many failed."""
    asked = phrases(config, int(config.rate * seconds), stream)
    async with httpx2.AsyncClient(base_url=base, timeout=30, limits=httpx2.Limits(max_connections=256)) as client:
        start = asyncio.get_running_loop().time() + 0.1

        async def ask(number: int, phrase: str) -> float:
            due = start + number / config.rate
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            response = await client.get("/api/search", params={"q": phrase, "k": config.k})
            if response.status_code != 200 or len(response.json()["hits"]) != config.k:
                raise UserError(f"{response.status_code}: {response.text[:200]}")
            return 1000 * (asyncio.get_running_loop().time() - due)

        told = await asyncio.gather(*map(ask, range(len(asked)), asked), return_exceptions=True)
    times = [value for value in told if isinstance(value, float)]
    return times, len(told) - len(times)


def cpu_seconds(base: str) -> float:
    """CPU time that the server has used."""
    found = re.search(r"^process_cpu_seconds_total (\S+)$", httpx2.get(f"{base}/metrics").text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def start_server(config: ServeBenchmarkConfig, run: Path) -> tuple[subprocess.Popen[str], str]:
    """The server, when it is ready, and its address."""
    command = [sys.executable, "-m", "stylecast", "serve", str(run), "--port", "0", "--threads", str(config.threads)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert server.stderr is not None
    base = next((m[1] for line in server.stderr if (m := re.match(r"(http://\S+) serves", line))), "")
    state = "loading"
    while base and state == "loading":
        time.sleep(0.2)
        state = httpx2.get(f"{base}/health", timeout=30).json()["state"]
    if state != "ready":
        server.kill()
        raise UserError(f"the server is {state}: {httpx2.get(f'{base}/health').text if base else 'it did not start'}")
    return server, base


def told(times: list[float]) -> tuple[float, float, float]:
    """p50, p95, p99."""
    p50, p95, p99 = np.percentile(times, [50, 95, 99])
    return float(p50), float(p95), float(p99)


def main(config: ServeBenchmarkConfig) -> str:
    """The table, as text.

    Raises:
        UserError: too few pictures, or the server does not start.
    """
    if config.pictures < 1000 or config.rate <= 0 or config.seconds < 1:
        raise UserError("--pictures must be 1000 or more, --rate above 0, --seconds 1 or more")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        make_run(config, run)
        searcher = Searcher.load(run / "recall")
        server, base = start_server(config, run)
        try:
            plain_times(config, searcher, 20, 1)
            asyncio.run(load(config, base, 2.0, 2))  # both warm
            gc.freeze()  # this process holds a run as well, through which its collector would go in between
            before = plain_times(config, searcher, 60, 3)
            used = cpu_seconds(base)
            times, failed = asyncio.run(load(config, base, config.seconds, 4))
            used = 1000 * (cpu_seconds(base) - used) / (len(times) + failed)
            own = time.process_time()
            after = plain_times(config, searcher, 60, 5)
            own = 1000 * (time.process_time() - own) / len(after)
            plain = before + after
        finally:
            server.terminate()
            server.wait(30)
    p50, p95, p99 = told(times)
    alone = told(plain)
    busy = os.getloadavg()[0]
    title = (f"{config.pictures:,} pictures, {config.heads} heads of {config.dim}; {len(times) + failed} requests at "
             f"{config.rate:g} a second on {os.cpu_count()} cores (load average {busy:.1f})")  # fmt: skip
    rows = [("over HTTP", *times_row(p50, p95, p99, used), str(failed)),
            ("in this process", *times_row(*alone, own), "")]  # fmt: skip
    lines = [
        title,
        "",
        "| search | p50, ms | p95, ms | p99, ms | CPU of one, ms | errors |",
        "|---|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    reached = "reached" if p95 < config.goal and not failed else "NOT reached"
    lines += ["", f"p95 over HTTP is {p95 / statistics.median(plain):.2f} times one plain search (median)",
              f"goal, p95 below {config.goal:g} ms without errors: {reached}"]  # fmt: skip
    return "\n".join(lines)


def times_row(*values: float) -> list[str]:
    """Milliseconds as text."""
    return [f"{value:.1f}" for value in values]


if __name__ == "__main__":
    set_up_logging()
    sys.exit(guarded(lambda: main(tyro.cli(ServeBenchmarkConfig, description=__doc__)), verbose=True))
