"""Write docs/security/controls.md: control, code, tests that carry its number, or the reason.

`python scripts/control_table.py` writes the page; `table()` is what a test and `liftos evidence`
read.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/security/controls.md"
DATA = ROOT / "docs/security/controls.toml"
_TEST = re.compile(r"def (test_(?:L\d+_)+\w*)")
_NUMBER = re.compile(r"L(\d+)(?=_)")

HEAD = """# Controls

Made by `scripts/control_table.py` from `controls.toml` and the names of the tests; a test keeps it
current. A control without a test that carries its number has a written reason. Paths of code are
below `liftos_app/`.

"""


def tests_by_control() -> dict[str, list[str]]:
    """Control -> `file::test` of every test that carries its number."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in _TEST.findall(path.read_text(encoding="utf-8")):
            for number in _NUMBER.findall(name):
                where = path.relative_to(ROOT).as_posix()
                found.setdefault(f"L{number}", []).append(f"{where}::{name}")
    return found


def controls() -> dict[str, dict[str, str]]:
    """What controls.toml says, by control."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


def table() -> list[tuple[str, str, str, list[str], str]]:
    """Control, what it asks, code, tests, reason (only when there is no test)."""
    tests = tests_by_control()
    return [
        (name, one["what"], one["code"], tests.get(name, []),
         "" if tests.get(name) else one.get("why", ""))
        for name, one in controls().items()
    ]


def page() -> str:
    """The whole page."""
    lines = [HEAD + "| Control | Asks | Code | Tests, or why none |", "|---|---|---|---|"]
    for name, what, code, tests, why in table():
        files: dict[str, int] = {}
        for test in tests:
            files[test.partition("::")[0]] = files.get(test.partition("::")[0], 0) + 1
        also = controls()[name].get("also", "")
        shown = ", ".join(f"`{f}` ({n})" for f, n in files.items())
        reason = why + (f" See `{also}`." if also and why else "")
        lines.append(f"| {name} | {what} | `{code}` | {shown or reason} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"Wrote {PAGE.name}.\n")
