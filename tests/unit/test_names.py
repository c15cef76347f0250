"""Names show what they say, whoever gave them and to whatever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from liftos_app.errors import Invalid
from liftos_app.models import Role
from liftos_app.services import accounts, api_keys, connections, names, organization, people
from liftos_app.services.context import Context

TURNED = "invoices\u202ecod.exe"  # a reader sees "invoicesexe.doc"


@pytest.mark.parametrize("sign", [
    "\x00", "\n", "\x7f", "\x9b", "\u200b", "\u2028", "\u202e", "\u2066", "\ufeff", "\ud800",
])
def test_signs_that_do_not_print_are_refused_and_named(sign: str) -> None:
    with pytest.raises(Invalid) as caught:
        names.check(f"Lark{sign}spur", of="A key", longest=80)
    said = caught.value.sentence()
    assert said.startswith("A key cannot have this name. It holds signs that do not print.")
    assert names.clean(f"Lark{sign}spur", longest=80) == "Lark spur"


@pytest.mark.parametrize("name", [
    "Müller & Söhne", "株式会社", "شركة", "می\u200cخواهم", "👩\u200d💻 Team", "O'Neil | EU",
])
def test_names_of_all_languages_are_taken(name: str) -> None:
    assert names.check(f"  {name} ", of="A key", longest=80) == name


def test_length_and_emptiness() -> None:
    assert names.check("x" * 80, of="A key", longest=80)
    assert names.check(" ", of="A person", longest=80, optional=True) == ""
    for text, why in (("x" * 81, "81 characters"), (" ", "needs a name of 1 to 80")):
        with pytest.raises(Invalid, match=why):
            names.check(text, of="A key", longest=80)


def test_every_name_that_people_give_is_looked_at(open_ctx: Callable[..., Any]) -> None:
    with open_ctx(Role.SUPER_ADMIN, write=True) as ctx:
        ctx.who = replace(ctx.who, proved_at=ctx.now())
        for give in (
            lambda: connections.create_draft(ctx, "klaviyo", name=TURNED),
            lambda: people.create_organization(ctx, TURNED),
            lambda: organization.change(ctx, replace(choices_of(ctx), name=TURNED)),
            lambda: accounts.rename(ctx, TURNED),
            lambda: api_keys.create(ctx, name=TURNED, scopes=["read"], days=30),
        ):
            with pytest.raises(Invalid) as caught:
                give()
            assert "do not print" in caught.value.why


def choices_of(ctx: Context) -> organization.Choices:
    row = organization.get(ctx)
    return organization.Choices(
        row.name, row.currency, row.time_zone, row.week_start, row.revenue_basis
    )
