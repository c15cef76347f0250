"""Data explorer: stored rows of a stream, and the source record behind each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

import reflex as rx

from liftos_app.errors import Invalid
from liftos_app.services import connections, explorer
from liftos_app.services import format as fmt
from liftos_app.services.context import Context
from liftos_app.services.explorer.records import pretty
from liftos_app.services.fallback import Kind
from liftos_app.services.metrics import attribution
from liftos_app.services.metrics.periods import today_in
from liftos_app.state import words
from liftos_app.state.app import AppState, handler, perform

DAYS = 28  # shown unless the address asks for others
NAMES = ("connection", "stream", "account", "start", "end", "search", "page")


@dataclass
class Line:
    """One stored row, formatted; `ident` and `slot` find its source."""

    ident: str
    slot: str
    cells: list[str]


@dataclass
class Head:
    """A column head."""

    title: str
    right: bool


@dataclass
class View:
    """What the page shows."""

    line: str = ""
    demo: bool = False
    connections: list[list[str]] = field(default_factory=list)
    streams: list[list[str]] = field(default_factory=list)
    accounts: list[list[str]] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    rows: list[Line] = field(default_factory=list)
    connection: str = ""
    stream: str = ""
    account: str = ""
    start: str = ""
    end: str = ""
    search: str = ""
    page: int = 1
    pages: int = 1
    dated: bool = True
    about: str = ""
    source: str = ""
    fallbacks: list[words.Standing] = field(default_factory=list)


class ExplorerState(AppState):
    """The page at /explorer."""

    view: View = View()
    phase: str = "loading"  # loading, none, ready, failed
    trouble: str = ""
    trouble_fix: str = ""
    _shown: str = ""
    record_open: bool = False
    record_title: str = ""
    record_line: str = ""
    record_text: str = ""

    @rx.var
    def stale(self) -> bool:
        """Whether the rows are those of another address."""
        return _address(_read(self.router.url.query_parameters)) != self._shown

    @handler("metrics.read")
    async def load(self):
        """Rows as the address asks; rows of another address are dimmed meanwhile."""
        self.trouble, self.record_open = "", False
        asked = self._asked()
        if self.phase == "ready" and self._shown != _address(asked):
            yield
        try:
            self.view = await perform(_view, asked)
            self.phase = "ready" if self.view.connection else "none"
            self._shown = _address(asked)
        except Invalid as error:
            self.trouble, self.trouble_fix = error.what, f"{error.why} {error.fix}".strip()
            self.view = replace(self.view, line="")
            self.phase = "failed"

    @handler("metrics.read")
    async def pick(self, name: Literal["connection", "stream", "account"], value: str):
        """Another connection, stream or account."""
        asked = self._asked()
        below = {"connection": ("stream", "account"), "stream": (), "account": ()}[name]
        return _go({**asked, name: value, "page": "", **dict.fromkeys(below, "")})

    @handler("metrics.read")
    async def narrow(self, form: dict[str, Any]):
        """Other days or words."""
        typed = {n: str(form.get(n, ""))[:100] for n in ("start", "end", "search")}
        return _go({**self._asked(), **typed, "page": ""})

    @handler("metrics.read")
    async def all_rows(self):
        """The same days without the words."""
        return _go({**self._asked(), "search": "", "page": ""})

    @handler("metrics.read")
    async def turn(self, page: int):
        """Another page."""
        return _go({**self._asked(), "page": str(page)})

    @handler("metrics.read")
    async def show_source(self, slot: str, ident: str):
        """The source record of a row."""
        place = (self.view.connection, self.view.stream, self.view.account)
        found = await perform(_source, place, slot[:120], ident[:120])
        self.record_title, self.record_line, self.record_text = found
        self.record_open = True

    @handler("metrics.read")
    async def set_record_open(self, is_open: bool):
        """The drawer was closed."""
        self.record_open = is_open

    def _asked(self) -> dict[str, str]:
        return _read(self.router.url.query_parameters)


def _read(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {n: str(parameters.get(n, ""))[:100] for n in NAMES}


def _address(asked: dict[str, str]) -> str:
    return urlencode({k: v for k, v in asked.items() if v})


def _go(asked: dict[str, str]) -> Any:
    query = _address(asked)
    return rx.redirect("/explorer" + (f"?{query}" if query else ""))


def _view(ctx: Context, asked: dict[str, str]) -> View:
    rows = [r for r in connections.list_all(ctx) if r.accounts and r.streams]
    if not rows:
        return View()
    chosen = asked["connection"] or str(rows[0].id)
    today = today_in("UTC", ctx.now())
    start = _day(asked["start"]) or today - dt.timedelta(days=DAYS)
    end = _day(asked["end"]) or today
    found = explorer.browse(ctx, explorer.Asked(
        connection_id=_id(chosen), stream=asked["stream"],
        account_id=_id(asked["account"]) if asked["account"] else None, start=start, end=end,
        search=asked["search"], page=int(asked["page"]) if asked["page"].isdecimal() else 1,
    ))
    dated = any(c.kind == "day" for c in found.columns)
    zone = found.account.time_zone
    return View(
        line=f"{fmt.plural(found.total, 'row')}, {found.stream.grain}",
        demo=found.provenance == "demo",
        fallbacks=[
            words.standing(replace(found.fallback, kind=Kind.LAST_GOOD), zone)
        ] if found.fallback else [],
        connections=[[str(r.id), r.name] for r in rows],
        streams=[[s.name, s.title] for s in found.streams],
        accounts=[[str(a.id), a.name] for a in found.accounts],
        heads=[Head(c.title, c.kind in ("count", "money", "amount")) for c in found.columns],
        rows=[
            Line(r.ident, r.slot, [
                _text("setting" if c.name == "setting" else c.kind, v, r.currency, zone)
                for c, v in zip(found.columns, r.values, strict=True)
            ])
            for r in found.rows
        ],
        connection=str(found.connection.id), stream=found.stream.name,
        account=str(found.account.id), start=start.isoformat(), end=end.isoformat(),
        search=asked["search"], page=found.page, pages=found.pages, dated=dated,
        about=found.stream.about,
        source=f"Source: {found.connection.name}, {found.account.name}, days of {zone}. A dash is "
        "what the platform did not say; it is not zero.",
    )


def _text(kind: str, value: Any, currency: str, zone: str) -> str:
    if value is None or value == "":
        return fmt.UNKNOWN
    write = {
        "day": lambda: str(value.isoformat()),
        "time": lambda: fmt.moment(value, zone),
        "count": lambda: fmt.count(value),
        "amount": lambda: fmt.number(value, 2),
        "money": lambda: fmt.money(value, currency, code=True),
        "flag": lambda: "yes" if value else "no",
        "setting": lambda: attribution.short_of(value),
    }.get(kind)
    return write() if write else str(value)


def _source(
    ctx: Context, place: tuple[str, str, str], slot: str, ident: str
) -> tuple[str, str, str]:
    connection, stream, account = place
    found = explorer.source_of(
        ctx, _id(connection), stream=stream, account_id=_id(account), slot=slot, ident=ident
    )
    title = f"Source record, {slot}"
    if not found.records:
        return title, "No source record is kept for this row. It was read before they were kept, " \
            "or the stream does not keep them.", ""
    line = f"As the platform sent it, read {fmt.ago(found.read_at, ctx.now())}."
    if found.cut:
        line += f" Shown: the first {len(found.records)} of {found.kept} records of this day."
    return title, line, "\n\n".join(pretty(r) for r in found.records)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(
            "The address names something that cannot be.", why="It was changed by hand.",
            fix="Open the Data explorer from the navigation.", field="connection",
        ) from None


def _day(text: str) -> dt.date | None:
    if not text:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"{text[:20]!r} is not a day.", why="Days are written as year, month and day.",
            fix="Choose the day again.", field="start",
        ) from None
