"""Write docs/security/controls.md: control, code, tests that carry its number, or the reason."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from liftos_app.services.evidence import controls

PAGE = controls.DATA.with_suffix(".md")

HEAD = """# Controls

Made by `scripts/control_table.py` from `controls.toml` and the names of the tests; a test keeps it
current. A control without a test that carries its number has a written reason; where the tests
prove only a part, the rest stands behind them. Paths of code are below `liftos_app/`.
`liftos evidence make --junit FILE` adds how each control's tests went.

"""


def page() -> str:
    """The whole page."""
    lines = [HEAD + "| Control | Asks | Code | Tests, or why none |", "|---|---|---|---|"]
    for one in controls.table():
        files = Counter(test.partition("::")[0] for test in one.tests)
        shown = ", ".join(f"`{f}` ({n})" for f, n in files.items())
        reason = one.why + (f" See `{one.also}`." if one.also else "")
        rest = f" **Lacks:** {one.lacks}" if one.lacks else ""
        lines.append(f"| {one.name} | {one.asks} | `{one.code}` | {shown or reason}{rest} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"Wrote {PAGE.name}.\n")
