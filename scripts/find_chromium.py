"""Find a Chromium for the browser tests, or get one; fail with the line to type.

Order: CHROMIUM_PATH, a system chromium, Playwright's own download, apt-get.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def given() -> str | None:
    """CHROMIUM_PATH, checked."""
    path = os.environ.get("CHROMIUM_PATH", "")
    if path and not os.access(path, os.X_OK):
        sys.exit(f"CHROMIUM_PATH names {path}, which cannot be run. Correct it or unset it.")
    return path or None


def installed() -> str | None:
    """A chromium on the PATH."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def downloaded() -> str | None:
    """Playwright's own copy, when it has been downloaded."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def find() -> str | None:
    """The path of a Chromium that is there now."""
    return given() or installed() or downloaded()


def fetch() -> str | None:
    """Get one: Playwright's download first, then Debian's package where that can be done."""
    subprocess.run(
        [sys.executable, "-m", "playwright", "install", "chromium"],
        check=False, capture_output=True, timeout=300,
    )
    if found := downloaded():
        return found
    if shutil.which("apt-get") and os.geteuid() == 0:
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "chromium"]):
            subprocess.run(
                command, check=False, capture_output=True, timeout=600,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            )
    return installed()


def main() -> None:
    """Print the path, or leave with the line to type."""
    path = find() or fetch()
    if path is None:
        sys.exit(
            "The browser tests need Chromium and none was found or could be fetched. Type: "
            "sudo apt-get install -y chromium   (or set CHROMIUM_PATH to one you have)"
        )
    print(path)


if __name__ == "__main__":
    main()
