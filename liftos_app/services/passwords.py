"""Passwords: argon2id hashes, and what makes a new password too easy to guess.

Verifying costs about a third of a second and 64 MiB on purpose. So hashes wait for threads of their
own, fewer than there are cores and of low priority: a crowd that signs in does not slow the events
of everybody else. Call these functions from a worker thread, never on the event loop.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from liftos_app.config import SHORTEST_PASSWORD
from liftos_app.errors import Invalid, Unavailable

T = TypeVar("T")
SHORTEST: Final = SHORTEST_PASSWORD
SHORTEST_FROM_OPERATOR: Final = 8  # LIFTOS_ADMIN_PASSWORD: scripts set it; a warning is logged
LONGEST: Final = 128
UNUSABLE: Final = "!"  # a hash that no password fits: this person cannot sign in with one

_HASHER: Final = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)
# Recovery codes hold 80 random bits: less memory and time are enough, and ten are hashed at once.
_CODE_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NICENESS: Final = 5  # a third of the usual share, and never starved
_PATIENCE_SECONDS: Final = 15
_LEET: Final = str.maketrans("013457@$!", "oleastasi")
_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890", "abcdefghijklmnopqrstuvwxyz",
                "qwertzuiop", "azertyuiop", "1qaz2wsx3edc4rfv5tgb")


def at_once(cores: int) -> int:
    """How many hashes may run at the same moment: one core stays free, and four are enough."""
    return min(4, max(1, cores - 1))


def make_hash(password: str) -> str:
    """An argon2id hash (64 MiB, 3 passes, 4 lanes)."""
    return _in_turn(lambda: _HASHER.hash(password))


def fits(password: str, stored: str) -> bool:
    """Whether a password belongs to a hash. Takes as long when there is no such hash."""
    usable = stored.startswith("$argon2id$")
    return _verifies(_HASHER, stored if usable else _nobody(), password) and usable


def make_code_hash(code: str) -> str:
    """An argon2id hash of a recovery code; dashes and case do not count."""
    return _in_turn(lambda: _CODE_HASHER.hash(_bare(code)))


def fits_code(code: str, stored: str) -> bool:
    """Whether a recovery code belongs to a hash."""
    return _verifies(_CODE_HASHER, stored, _bare(code))


def is_outdated(stored: str) -> bool:
    """Whether a hash was made with weaker parameters than today's."""
    return stored.startswith("$argon2id$") and _HASHER.check_needs_rehash(stored)


def check_new(password: str, *, about: Iterable[str] = (), shortest: int = SHORTEST) -> None:
    """Raise Invalid unless a new password is long enough and hard to guess.

    `about` are words an attacker would try first: names, the e-mail, the organization. Nothing is
    asked about kinds of characters, and nothing is cut off or changed.
    """
    if len(password) < shortest:
        raise _refused("password_short", f"It has {len(password)} characters of {shortest} needed.")
    if len(password) > LONGEST:
        raise _refused("password_long", f"It has {len(password)} characters of {LONGEST} at most.")
    if "\x00" in password:
        raise _refused("password_odd", "It holds a character that cannot be typed.")
    folded = password.casefold()
    if len(set(folded)) < 5 or _is_repeated(folded):
        raise _refused("password_repeats", "It repeats the same few characters.")
    words = _context_words(about)
    if any(form and len(_without(form, words)) < 4 for form in _letter_forms(folded)):
        raise _refused(
            "password_about_you",
            "It is made of your name, your address or the name of this product.",
        )
    if _is_common(folded):
        raise _refused("password_common", "It is among the first that attackers try.")


def _refused(reason: str, why: str) -> Invalid:
    return Invalid(
        "Choose another password.", why=why, fix="Several unrelated words work well.",
        field="password", reason=reason,
    )


def _bare(code: str) -> str:
    return code.replace("-", "").casefold()


def _verifies(hasher: PasswordHasher, stored: str, text: str) -> bool:
    try:
        return _in_turn(lambda: hasher.verify(stored, text))
    except (VerificationError, InvalidHashError):
        return False


def _step_back() -> None:
    """Lower the priority of this thread; the lanes of a hash inherit it. Linux counts by thread."""
    if sys.platform == "linux":
        os.nice(_NICENESS)


_POOL: Final = ThreadPoolExecutor(
    at_once(os.cpu_count() or 1), thread_name_prefix="hash", initializer=_step_back
)


def _in_turn(work: Callable[[], T]) -> T:
    """Wait for a free thread and for its answer. Raises Unavailable when the queue is too long."""
    turn = _POOL.submit(work)
    try:
        return turn.result(_PATIENCE_SECONDS)
    except TimeoutError:
        turn.cancel()
        raise Unavailable(
            "Sign-in is busy.", why="Many people are signing in at this moment.",
            fix="Try again in a few seconds.", retry_after=5,
        ) from None


@lru_cache(maxsize=1)
def _nobody() -> str:
    """A hash that belongs to nobody, so that an unknown e-mail takes as long as a known one."""
    return _HASHER.hash("nobody has this password: \x00")


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    text = (Path(__file__).parent / "common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.split() if line)


def _letter_forms(text: str) -> tuple[str, str]:
    """The letters alone, as typed and with l33t read back."""
    return re.sub(r"[^a-z]", "", text), re.sub(r"[^a-z]", "", text.translate(_LEET))


def _context_words(about: Iterable[str]) -> list[str]:
    words = {"liftos", "lift", "password", "admin", "marketing"}
    for text in (t.casefold() for t in about):
        for part in (text, *re.split(r"[^0-9a-z]+", text)):
            words |= set(_letter_forms(part))
    return sorted((w for w in words if len(w) >= 4), key=len, reverse=True)


def _without(text: str, words: Iterable[str]) -> str:
    for word in words:
        text = text.replace(word, "")
    return text


def _is_repeated(text: str) -> bool:
    """`abcabcabcabc`: the text is one short piece over and over."""
    return any(
        (text[:size] * (len(text) // size + 1))[: len(text)] == text
        for size in range(1, min(6, len(text) // 2) + 1)
    )


def _is_common(text: str) -> bool:
    """Whether the whole is one or two common passwords, keyboard rows or number rows."""
    forms: set[str] = set()
    for end in ("", r"[^a-z0-9]+$", r"[^a-z]+$"):
        cut = re.sub(end, "", text) if end else text
        forms |= {cut, cut.translate(_LEET), re.sub(r"[^a-z0-9]", "", cut), *_letter_forms(cut)}
    return any(len(form) >= 4 and _pieces(form, limit=2) for form in forms)


def _pieces(text: str, *, limit: int) -> bool:
    """Whether `text` can be cut into at most `limit` different common pieces."""
    reached: dict[int, list[frozenset[str]]] = {0: [frozenset()]}
    for start in range(len(text)):
        for used in reached.get(start, []):
            for end in range(start + 3, len(text) + 1):
                piece = text[start:end]
                if not _is_piece(piece):
                    continue
                now = used | {piece}
                if len(now) <= limit and now not in reached.setdefault(end, []):
                    reached[end].append(now)
    return len(text) in reached


def _is_piece(piece: str) -> bool:
    if piece in _common() or len(set(piece)) == 1:
        return True
    return any(piece in row or piece in row[::-1] for row in _ROWS)
