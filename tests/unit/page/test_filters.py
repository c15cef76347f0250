"""The filter bar: the address says it all, and a wrong address is explained."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liftos_app.errors import Invalid
from liftos_app.models import Organization, Role
from liftos_app.services.metrics.asked import Asked, question, read
from liftos_app.services.metrics.question import Compare, Mode
from liftos_app.state.gate import safe_path

TEXT = st.text(max_size=30)


@given(st.builds(Asked, range=TEXT.filter(lambda t: t != ""), compare=TEXT, mode=TEXT, today=TEXT))
def test_an_address_reads_back_as_what_was_asked(asked: Asked) -> None:
    assert read(dict(parse_qsl(asked.query(), keep_blank_values=True))) == asked


def test_the_usual_leaves_the_address_empty() -> None:
    assert Asked().query() == ""


def test_days_are_dropped_from_the_address_with_a_preset() -> None:
    assert Asked(range="last_7", start="2026-01-01", end="2026-01-02").query() == "range=last_7"


def test_presets_end_yesterday_in_the_organizations_zone(
    open_ctx: Callable[..., Any], organization: Organization
) -> None:
    with open_ctx(Role.VIEWER) as ctx:
        found, today = question(ctx, Asked(range="last_7"))
    assert today == dt.date(2026, 11, 23)
    assert (found.start, found.end) == (dt.date(2026, 11, 16), dt.date(2026, 11, 22))
    assert (found.compare, found.mode) == (Compare.PREVIOUS, Mode.AUTO)


def test_custom_days_are_taken_as_they_are(
    open_ctx: Callable[..., Any], organization: Organization
) -> None:
    with open_ctx(Role.VIEWER) as ctx:
        found, _ = question(ctx, Asked(range="custom", start="2026-02-27", end="2026-03-02"))
    assert (found.end - found.start).days == 3


@pytest.mark.parametrize(
    "asked",
    [
        Asked(range="custom"),
        Asked(range="custom", start="2026-02-30", end="2026-03-01"),
        Asked(range="custom", start="2026-03-02", end="2026-03-01"),
        Asked(range="last_moon"),
        Asked(range="custom", start="<script>", end="x"),
        Asked(compare="yesteryear"),
        Asked(mode="imaginary"),
        Asked(range="custom", start="1000-01-01", end="2026-01-01"),
    ],
)
def test_an_impossible_address_is_explained(
    asked: Asked, open_ctx: Callable[..., Any], organization: Organization
) -> None:
    with open_ctx(Role.VIEWER) as ctx, pytest.raises(Invalid) as caught:
        question(ctx, asked)
    assert caught.value.what
    assert caught.value.fix


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/connections?x=1", True),
        ("//evil.example", False),
        ("https://evil.example", False),
        ("/\\evil.example", False),
        ("javascript:alert(1)", False),
        ("/a\nb", False),
        ("/\t/evil.example", False),
        ("/\r/evil.example", False),
        ("/a\\b", False),
        ("", False),
    ],
)
def test_sign_in_leads_back_to_a_path_of_ours_only(path: str, kept: bool) -> None:
    assert bool(safe_path(path)) is kept
