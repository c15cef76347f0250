"""Names that people give to things: one line of text that shows what it says."""

from __future__ import annotations

import re
from typing import Final

from liftos_app.errors import Invalid

# What draws nothing or turns the reading around (Unicode TR 36): no name may pass for another.
_SIGNS: Final = (
    r"\x00-\x1f\x7f-\x9f\u200b\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
)
PATTERN: Final = rf"^[^{_SIGNS}]*$"  # the same for documents; JSON texts hold no lone surrogate
_UNSEEN: Final = re.compile(rf"[{_SIGNS}\ud800-\udfff]")


def check(
    text: str, *, of: str, longest: int, field: str = "name", optional: bool = False, fix: str = "",
) -> str:
    """The name in one line, or Invalid. `of` begins the sentence: "The organization"."""
    name = " ".join(text.split())
    if _UNSEEN.search(text.strip()):
        raise Invalid(
            f"{of} cannot have this name.", why="It holds signs that do not print.",
            fix="Type it by hand instead of pasting it.", field=field,
        )
    if not name and not optional:
        raise Invalid(
            f"{of} needs a name of 1 to {longest} characters.", why="The name is empty.", fix=fix,
            field=field,
        )
    if len(name) > longest:
        raise Invalid(
            f"This name has {len(name)} characters.", why=f"A name may have {longest}.",
            fix="Type a shorter one.", field=field,
        )
    return name


def clean(text: str, *, longest: int) -> str:
    """A name that somebody else gave, without what does not print."""
    return " ".join(_UNSEEN.sub(" ", text).split())[:longest]
