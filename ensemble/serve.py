"""Command `serve`: a finished run as pages and as JSON, over HTTP.

Laptop:   stylecast serve runs/mine                                   # http://127.0.0.1:8000, and /openapi.json
Others:   STYLECAST_TOKEN=… stylecast serve runs/mine --host 0.0.0.0  # everyone else needs the token

The packages for it come with `pip install '.[serve]'`; docs/serve.md tells the endpoints.
"""

import importlib.util
import ipaddress
import logging
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from ensemble.scored import LeaderboardSettings
from stylecast.errors import UserError
from stylecast.runs import MANIFEST

log = logging.getLogger(__name__)
NEEDED = {"fastapi": "fastapi", "uvicorn": "uvicorn", "prometheus_client": "prometheus-client",
          "python_multipart": "python-multipart"}  # fmt: skip
TOKEN = "STYLECAST_TOKEN"
WAITING = 256  # requests at a time, beyond which the answer is 503 at once


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Serve a run: leaderboard and search as pages and as JSON."""

    run: tyro.conf.Positional[Path]
    """Folder of a whole `stylecast run`; it is only read."""
    host: str = "127.0.0.1"
    """Address to listen on; one that others can reach needs a token."""
    port: int = 8000
    """Port to listen on; 0 = any that is free."""
    token: str = ""
    """What each request must bring, as `Authorization: Bearer TOKEN` or `X-Api-Key: TOKEN`. Other users of the machine
    can read flags: by default it is taken from the environment variable STYLECAST_TOKEN."""
    upload_bytes: int = 10_000_000
    """Most bytes of a picture that is sent in."""
    upload_pixels: int = 24_000_000
    """Most pixels of a picture that is sent in; checked before it is decoded."""
    threads: int = 2
    """Searches and pages that are worked on at a time, each on one core; further ones wait."""
    poll: float = 30.0
    """Seconds between two looks whether the run was replaced, and is to be opened anew; 0 = never."""
    page: LeaderboardSettings = field(default_factory=LeaderboardSettings)
    """How the leaderboard is ranked and shown."""

    def secret(self) -> str:
        """The token, of the flag or of the environment."""
        return self.token or os.environ.get(TOKEN, "")

    def check(self) -> None:
        """Refuse what cannot be, or would be open to everyone.

        Raises:
            UserError: a setting out of its range, an open address without a token, or no run.
        """
        if not 0 <= self.port < 65536:
            raise UserError(f"--port {self.port}: must be between 0 and 65535")
        if self.upload_bytes < 1 or self.upload_pixels < 1 or self.threads < 1 or self.poll < 0:
            raise UserError("--upload-bytes, --upload-pixels and --threads must be 1 or more, --poll 0 or more")
        if not is_loopback(self.host) and not self.secret():
            raise UserError(f"--host {self.host}: others can reach this address; set a --token, or {TOKEN}")
        if not self.secret().isascii() or any(c.isspace() for c in self.secret()):
            raise UserError("--token: must be plain ASCII without spaces, since it travels in a header")
        if not (self.run / "prepare" / MANIFEST).is_file():
            raise UserError(f"{self.run}: holds no run of `prepare`; give the folder that `stylecast run --out` wrote")


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which may mean any address
        return False


def check_packages() -> None:
    """Check that the packages of the extra `serve` are there.

    Raises:
        UserError: one is not.
    """
    missing = [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise UserError(f"`stylecast serve` needs {', '.join(missing)}; install with: pip install '.[serve]'")


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        UserError: there is no such address, or its port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small packets at once (TCP_NODELAY) on a socket that says TCP; `socket.create_server` makes one that
    # does not, and every third answer waited 40 ms for an acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(WAITING)
        return listening
    except OSError as error:
        listening.close()
        raise UserError(f"--host {host} --port {port}: cannot listen there ({error.strerror or error})") from error


def main(config: ServeConfig) -> None:
    """Serve until stopped (Ctrl-C, SIGTERM).

    Raises:
        UserError: a setting, the address, the run, or a package that is missing.
    """
    config.check()
    check_packages()
    # Only who serves pays for these, and they are an extra.
    import uvicorn

    from ensemble.api import build_app

    with open_socket(config.host, config.port) as listening:
        app = build_app(config)
        name = f"[{config.host}]" if ":" in config.host else config.host
        log.info("http://%s:%d serves %s; Ctrl-C stops it", name, listening.getsockname()[1], config.run)
        settings = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, limit_concurrency=WAITING, ws="none",
            timeout_graceful_shutdown=10,
        )  # fmt: skip
        uvicorn.Server(settings).run(sockets=[listening])
