"""Write the permission matrix into docs/security/identity.md (run without arguments)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from liftos_app.api import wall
from liftos_app.services import access

PAGE = Path(__file__).resolve().parent.parent / "docs" / "security" / "identity.md"
START, END = "<!-- matrix: made by scripts/permission_matrix.py -->", "<!-- end of matrix -->"


def whole() -> str:
    """The generated part, with its marks."""
    roles = [access.word(role).capitalize() for role in access.ORDER]
    lines = [
        START, "", "| Permission | Lets you | " + " | ".join(roles) + " |",
        "|---|---|" + "---|" * len(roles),
        *(
            f"| `{name}` | {words} | " + " | ".join("yes" if h else "" for h in holds) + " |"
            for name, words, holds in access.matrix()
        ),
        "", "| Key scope | Lets the key | Permissions |", "|---|---|---|",
        *(
            f"| `{scope}` | {words} | {', '.join(f'`{p}`' for p in sorted(held))} |"
            for scope, (words, held) in access.SCOPES.items()
        ),
        "", "| Sensitive: asks for a proof of the last five minutes | |", "|---|---|",
        *(f"| {what} | {words} |" for what, words in access.SENSITIVE.items()),
        "", "| Open to strangers | Why |", "|---|---|",
        *(f"| `{route}` | {why} |" for route, why in wall.PUBLIC.items()),
        "", END,
    ]
    return "\n".join(lines)


def main() -> None:
    """Replace what stands between the marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    PAGE.write_text(before + whole() + rest.partition(END)[2], encoding="utf-8")
    print(f"Wrote {PAGE.name}.")


if __name__ == "__main__":
    main()
