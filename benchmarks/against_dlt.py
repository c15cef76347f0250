"""The same local API loaded by dlt (rest_api source, merge) in an environment of its own.

`python -m benchmarks.against_dlt [SQLite] [PostgreSQL]` makes a throw-away environment with dlt,
loads BENCH_ROWS rows, and prints rows per second beside those of LiftOS in the same run.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from benchmarks.api_server import DAYS, LAST_DAY, ROWS
from benchmarks.sync import databases, local_api, ours, windows

PACKAGES = ("dlt[sqlalchemy,postgres]", "psycopg2-binary")
LIMIT = 900  # seconds
CHILD = """
import json, os, sys, time
import dlt
from dlt.sources.rest_api import rest_api_source

api, url, start, end = sys.argv[1:5]
source = rest_api_source({
    "client": {"base_url": api, "paginator": {
        "type": "cursor", "cursor_path": "next", "cursor_param": "page"}},
    "resource_defaults": {"primary_key": ["campaign_id", "date"], "write_disposition": "merge"},
    "resources": [{"name": "rows", "endpoint": {
        "path": "rows", "data_selector": "data", "params": {"start": start, "end": end}}}],
})
if url.startswith("sqlite"):
    destination = dlt.destinations.sqlalchemy(credentials=url)
else:
    from urllib.parse import parse_qs, quote, urlsplit
    parts = urlsplit(url)
    destination = dlt.destinations.postgres(credentials={
        "database": parts.path.strip("/"), "username": "postgres", "password": "none",
        "host": quote(parse_qs(parts.query)["host"][0], safe=""), "port": 5432})
pipeline = dlt.pipeline("bench", destination=destination, dataset_name="main" if
                        url.startswith("sqlite") else "bench", pipelines_dir=os.environ["HOME"])
began = time.perf_counter()
pipeline.run(source)
print(json.dumps({"seconds": time.perf_counter() - began, "version": dlt.__version__}))
"""


def environment(folder: Path) -> Path:
    """A fresh environment with dlt; its interpreter."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *PACKAGES], check=True)
    return python


def _host(url: str) -> str:
    """Where the server listens: a folder with its socket, which dlt does not hand on."""
    return "".join(parse_qs(urlsplit(url).query).get("host", []))


def theirs(python: Path, api: str, url: str, home: str) -> tuple[float, str]:
    """Seconds of a first load by dlt, and its version. Raises when it takes too long."""
    script = Path(home) / "child.py"
    script.write_text(CHILD, encoding="utf-8")
    first = (LAST_DAY - dt.timedelta(days=DAYS - 1)).isoformat()
    done = subprocess.run(
        [str(python), str(script), api, url, first, LAST_DAY.isoformat()],
        env={"HOME": home, "PATH": os.environ["PATH"], "PGHOST": _host(url),
             "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"},
        capture_output=True, text=True, timeout=LIMIT, check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return float(found["seconds"]), str(found["version"])


def main() -> None:
    """Print the table for docs/benchmarks.md."""
    wanted = sys.argv[1:] or ["SQLite", "PostgreSQL"]
    with tempfile.TemporaryDirectory(prefix="dlt-") as folder, local_api() as api:
        python = environment(Path(folder) / "env")
        import httpx

        whole = (LAST_DAY - dt.timedelta(days=DAYS - 1)).isoformat(), LAST_DAY.isoformat()
        for start, end in [whole, *windows()]:  # prepare the pages once, in dlt's spans and in ours
            httpx.get(f"{api}/rows", params={"start": start, "end": end}, timeout=60)
        print("| Database | dlt rows/s | LiftOS rows/s | times |\n|---|---|---|---|")
        version = ""
        with databases() as urls:
            for name in wanted:
                url = urls[name]
                plain = url.replace("+psycopg", "").replace("bench.db", "dlt.db")
                their, version = theirs(python, api, plain, folder)
                first, _ = ours(api, url)
                print(f"| {name} | {ROWS / their:,.0f} | {ROWS / first:,.0f} "
                      f"| {their / first:.1f} |", flush=True)
        print(f"\ndlt {version}, {ROWS:,} rows, first load.")


if __name__ == "__main__":
    main()
