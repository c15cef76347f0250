"""A log with some entries, and a hand that changes the database behind LiftOS's back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import text

from liftos_app.services import audit
from liftos_app.services.context import App, Context

OpenCtx = Callable[..., AbstractContextManager[Context]]


@pytest.fixture
def write_entries(open_ctx: OpenCtx) -> Callable[[int], None]:
    """Add entries, each in a transaction of its own: write_entries(5)."""

    def write(many: int) -> None:
        for number in range(many):
            with open_ctx(write=True) as ctx:
                audit.record(ctx, "test.act", number=number, words="naïve \U0001f511 \x00 text")

    return write


@pytest.fixture
def tamper(app: App) -> Callable[..., None]:
    """Run SQL as somebody who can write the database: tamper("DELETE ...", seq=3)."""

    def run(statement: str, **values: object) -> None:
        with app.db.write() as session:
            session.execute(text(statement), values)

    return run
