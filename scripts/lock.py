"""Resolve requirements/*.in into lock files with hashes and without any index address."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "requirements"


def main() -> None:
    """Write runtime.lock, build.lock and dev.lock, for Python 3.11 and newer on any system."""
    for name in ("runtime", "build", "dev"):
        subprocess.run(
            [
                sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal",
                "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url",
                "--no-emit-find-links", "--no-header", "--no-annotate", f"{name}.in",
                "--output-file", f"{name}.lock", *sys.argv[1:],
            ],
            cwd=FOLDER, check=True,
        )


if __name__ == "__main__":
    main()
