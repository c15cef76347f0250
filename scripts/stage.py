"""Lay out the run-time tree of the container: code, built page, run-time packages; no Node.

Used by the Dockerfile and, without a container engine, by tests. Usage: stage.py OUT_FOLDER
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = ("liftos_app", "alembic", "assets")
FILES = ("alembic.ini", "rxconfig.py")
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc")


def packages(out: Path) -> None:
    """Install the locked run-time packages into `lib`, without scripts that need a shell."""
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--require-hashes", "--no-compile", "--target", str(out / "lib"),
            "-r", str(ROOT / "requirements" / "runtime.lock"),
        ],
        check=True,
    )
    shutil.rmtree(out / "lib" / "bin", ignore_errors=True)


def page(out: Path) -> None:
    """Copy the built page and the three files the backend reads; nothing of Node."""
    web = ROOT / ".web"
    if not (web / "build" / "client").is_dir():
        sys.exit("The page is not built. Run: make page")
    shutil.copytree(web / "build" / "client", out / ".web" / "build" / "client")
    if (web / "backend").is_dir():
        shutil.copytree(web / "backend", out / ".web" / "backend")
    for name in ("routes.json", "reflex.json", "env.json"):
        if (web / name).exists():
            shutil.copy(web / name, out / ".web" / name)


def main() -> None:
    """Make the tree anew."""
    out = Path(sys.argv[1]).resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name in CODE:
        shutil.copytree(ROOT / name, out / name, ignore=IGNORED)
    for name in FILES:
        shutil.copy(ROOT / name, out / name)
    page(out)
    packages(out)
    print(f"Run-time tree ready in {out.name}")


if __name__ == "__main__":
    main()
