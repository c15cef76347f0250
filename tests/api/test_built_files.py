"""Scripts and styles from memory: the same answer as the file server's, or left to it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import httpx
import pytest
from reflex.utils.precompressed_staticfiles import PrecompressedStaticFiles
from starlette.middleware.exceptions import ExceptionMiddleware

from liftos_app.api.built_files import BuiltFiles

TEXTS = {"entry-D3f.js": b"let page = 1;" * 500, "styles-9aB.css": b"a { color: red }" * 500}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    for name, text in TEXTS.items():
        (tmp_path / "assets" / name).write_bytes(text)
        (tmp_path / "assets" / f"{name}.gz").write_bytes(gzip.compress(text))
    (tmp_path / "assets" / "check-cV4.js").write_bytes(b"tiny")  # too small to be compressed
    (tmp_path / "secret.txt.gz").write_bytes(b"outside")
    return tmp_path


class Counting:
    """The file server behind, and how many requests reached it."""

    def __init__(self, folder: Path) -> None:
        files = PrecompressedStaticFiles(directory=folder, encodings=("gzip",))
        self.inner = ExceptionMiddleware(files)
        self.seen = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen += 1
        await self.inner(scope, receive, send)


def opened(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8000")


@pytest.mark.parametrize("name", TEXTS)
async def test_what_a_browser_asks_is_answered_as_the_file_server_would(
    folder: Path, name: str
) -> None:
    behind = Counting(folder)
    headers = {"accept-encoding": "gzip, deflate, br, zstd"}
    async with opened(behind) as plain, opened(BuiltFiles(behind, folder)) as quick:
        wanted = await plain.get(f"/assets/{name}", headers=headers)
        found = await quick.get(f"/assets/{name}", headers=headers)
    assert behind.seen == 1
    assert found.content == wanted.content == TEXTS[name]
    for header in ("content-type", "content-encoding", "content-length", "vary"):
        assert found.headers[header].lower() == wanted.headers[header].lower()


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/assets/entry-D3f.js", {"accept-encoding": "identity"}, 200),
        ("GET", "/assets/entry-D3f.js", {"accept-encoding": "gzip;q=0"}, 200),
        ("GET", "/assets/entry-D3f.js", {"range": "bytes=0-3"}, 206),
        ("GET", "/assets/entry-D3f.js", {"if-none-match": '"x"'}, 200),
        ("HEAD", "/assets/entry-D3f.js", {}, 200),
        ("POST", "/assets/entry-D3f.js", {}, 405),
        ("GET", "/assets/check-cV4.js", {}, 200),
        ("GET", "/assets/gone.js", {}, 404),
        ("GET", "/assets/%2e%2e/secret.txt", {}, 404),
    ],
)
async def test_everything_else_goes_to_the_file_server(
    folder: Path, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    behind = Counting(folder)
    async with opened(BuiltFiles(behind, folder)) as client:
        answer = await client.request(method, path, headers={"accept-encoding": "gzip", **headers})
    assert (behind.seen, answer.status_code) == (1, status)


async def test_before_the_page_is_built_nothing_is_kept(tmp_path: Path) -> None:
    behind = Counting(tmp_path)
    async with opened(BuiltFiles(behind, tmp_path / "missing")) as client:
        assert (await client.get("/assets/entry-D3f.js")).status_code == 404
    assert behind.seen == 1
