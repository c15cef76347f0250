"""What a person typed, checked and cleaned before anything is stored or sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from liftos_app.errors import Invalid
from liftos_app.services import names
from liftos_app.services.connectors.spec import AuthMethod, Input, Platform

NAME_LENGTH: Final = 120
VALUE_LENGTH: Final = 8_000  # far above any known key; keeps a pasted file out of a header
_LINES = re.compile(r"[\r\n\t]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Checked:
    """Values by input name, split by where they may be kept."""

    secret: dict[str, str]
    plain: dict[str, str]

    @property
    def all(self) -> dict[str, str]:
        """Both together, for a sign-in."""
        return {**self.plain, **self.secret}


def check_inputs(
    platform: Platform, method: AuthMethod, values: Mapping[str, str],
    *, kept: Mapping[str, str] | None = None,
) -> Checked:
    """Clean and check every value; what is not given falls back to what is kept already.

    Raises Invalid naming each wrong input in `facts["fields"]`, and stores nothing.
    """
    known = {i.name: i for i in method.inputs}
    problems: dict[str, str] = {}
    cleaned: dict[str, str] = {}
    for name in values:
        if name not in known:
            problems[name[:60]] = (
                f"{method.title} has no input called {name[:60]!r}; "
                f"it takes {', '.join(known) or 'none'}."
            )
    for name, one in known.items():
        text = (values.get(name) or "").strip()
        if not text and kept and kept.get(name):
            cleaned[name] = kept[name]
            continue
        wrong = _problem(one, text)
        if wrong:
            problems[name] = wrong
        elif text:
            cleaned[name] = one.clean(text) if one.clean else text
    if problems:
        raise _invalid(platform, known, problems)
    return Checked(
        secret={n: v for n, v in cleaned.items() if known[n].secret},
        plain={n: v for n, v in cleaned.items() if not known[n].secret},
    )


def check_name(text: str) -> str:
    """A connection's name. Raises Invalid for an empty, overlong or unprintable one."""
    name = names.check(
        text, of="The connection", longest=NAME_LENGTH,
        fix="Type a short name, for example the shop's or the account's.",
    )
    if re.search(r"[<>]", name):
        raise Invalid(
            "This name holds < or >.",
            why="Names are plain text, and these signs look like markup.",
            fix="Leave them out.", field="name",
        )
    return name


def _problem(one: Input, text: str) -> str:
    """What is wrong with one value, in one sentence; empty when nothing is."""
    if not text:
        return f"{one.label} is missing. {one.help}".strip() if one.required else ""
    if len(text) > VALUE_LENGTH:
        return f"{one.label} has {len(text)} characters; that is no {one.label.lower()}."
    if _CONTROL.search(_LINES.sub("", text) if one.multiline else text):
        return f"{one.label} holds a line break or a character that does not print. Paste it again."
    return _wrong_form(one, text)


def _wrong_form(one: Input, text: str) -> str:
    """The platform's own rules: known mix-ups first, then the pattern, on the cleaned value."""
    if one.choices and text not in {value for value, _ in one.choices}:
        return f"{one.label} is one of: {', '.join(value for value, _ in one.choices)}."
    for pattern, sentence in one.refuse:
        if re.search(pattern, text):
            return sentence
    try:
        value = one.clean(text) if one.clean else text
    except ValueError as error:
        return str(error) or one.wrong
    if one.pattern and not re.fullmatch(one.pattern, value):
        return one.wrong or f"{one.label} does not have the expected form."
    return ""


def _invalid(
    platform: Platform, known: Mapping[str, Input], problems: Mapping[str, str]
) -> Invalid:
    first = next(iter(problems))
    label = known[first].label if first in known else first
    what = (
        f"{label} cannot be used." if len(problems) == 1
        else f"{len(problems)} of the values for {platform.name} cannot be used."
    )
    one = known.get(first)
    return Invalid(
        what, why=" ".join(problems.values()),
        fix=one.help if one is not None and one.help not in problems[first]
        else "Correct it and send it again.",
        field=first, fields=dict(problems),
    )
