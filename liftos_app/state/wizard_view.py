"""The wizard's steps in finished texts, made from services.wizard."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from liftos_app.services import catalogue, organization, sync, wizard
from liftos_app.services import format as fmt
from liftos_app.services.context import Context

KINDS: Final = {
    "oauth2": "Sign-in on the platform's page",
    "oauth1": "Sign-in on the platform's page",
    "key": "Key",
    "client_credentials": "App credentials",
}
SCHEDULES: Final = {
    "every 1 h": "Every hour",
    "every 6 h": "Every 6 hours",
    "every 12 h": "Every 12 hours",
    "0 6 * * *": "Daily at 06:00",
    "0 6 * * 1": "Mondays at 06:00",
}
WHO: Final = {
    "you": "You",
    "your platform admin": "Your platform administrator",
    "the platform": "The platform",
}


@dataclass
class Card:
    """A platform to choose."""

    id: str
    name: str
    mark: str
    category: str
    summary: str
    facts: str
    have: str
    sandbox: bool


@dataclass
class Method:
    """A way to sign in."""

    id: str
    title: str
    summary: str
    kind: str
    life: str


@dataclass
class Need:
    """A prerequisite."""

    text: str
    who: str
    wait: str
    link: str


@dataclass
class FieldRow:
    """An input. A stored secret shows its hint only; sandbox values are no secrets."""

    name: str
    label: str
    help: str
    secret: bool
    required: bool
    placeholder: str
    value: str
    hint: str
    wrong: str = ""
    multiline: bool = False
    choices: list[list[str]] = field(default_factory=list)  # value and label


@dataclass
class Scope:
    """A permission in words."""

    name: str
    reason: str
    kind: str
    word: str
    without: str


@dataclass
class AccountRow:
    """An account to choose."""

    id: str
    name: str
    external_id: str
    about: str
    usable: bool
    selected: bool
    note: str
    elsewhere: bool  # another connection reads it


@dataclass
class StreamRow:
    """A stream to choose."""

    name: str
    title: str
    about: str
    chosen: bool
    defined: bool = False


@dataclass
class HistoryRow:
    """A history to choose."""

    days: int
    title: str
    estimate: str
    chosen: bool


@dataclass
class View:
    """Everything the wizard shows for one draft or one platform."""

    connection_id: str = ""
    name: str = ""
    platform: str = ""
    platform_name: str = ""
    summary: str = ""
    demo: bool = False
    demo_possible: bool = False
    started: bool = False
    step: int = 1
    reached: int = 1
    done: list[int] = field(default_factory=list)
    chosen: bool = False  # a platform is chosen
    minutes: str = ""
    role_needed: str = ""
    docs_url: str = ""
    never: list[str] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    brings: list[str] = field(default_factory=list)
    methods: list[Method] = field(default_factory=list)
    method: str = ""
    kind: str = ""
    instructions: list[str] = field(default_factory=list)
    fields: list[FieldRow] = field(default_factory=list)
    demo_fields: bool = False  # the sandbox has credentials for this method
    redirect_uri: str = ""
    signed_in: bool = False
    scopes: list[Scope] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    accounts: list[AccountRow] = field(default_factory=list)
    any_elsewhere: bool = False  # another connection reads one of them
    ticks: int = 0  # how often all were ticked or cleared: what was ticked by hand is over then
    selected: int = 0
    streams: list[StreamRow] = field(default_factory=list)
    defines: bool = False  # streams are added by a person
    history: list[HistoryRow] = field(default_factory=list)
    history_days: int = 90
    schedule: str = ""
    zone: str = ""
    next_runs: list[str] = field(default_factory=list)
    schedule_problem: str = ""
    estimate: str = ""
    sums: list[list[str]] = field(default_factory=list)  # the summary: name and value
    run_id: str = ""
    cause_what: str = ""
    cause_why: str = ""
    cause_fix: str = ""


def card_rows(ctx: Context, search: str, category: str = "") -> list[Card]:
    """The catalogue, narrowed by words and category."""
    return [
        Card(
            id=c.id,
            name=c.name,
            mark=c.id,
            category=c.category,
            summary=c.summary,
            facts=f"Set-up: about {_minutes(c.setup_minutes)}. History: {c.history}.",
            have=fmt.plural(sum(c.connections.values()), "connection") if c.connections else "",
            sandbox=bool(c.demo_credentials),
        )
        for c in catalogue.cards(ctx, search=search, category=category)
    ]


def tick(view: View, *, chosen: bool) -> None:
    """Tick all usable accounts, or none. What another connection reads is ticked by hand only."""
    for row in view.accounts:
        row.selected = chosen and row.usable and not row.elsewhere
    view.ticks += 1


def view_of(
    ctx: Context,
    *,
    connection_id: UUID | None,
    platform: str,
    method: str,
    step: int | None,
    origin: str,
    fill: bool,
    refused: bool = False,
) -> View:
    """The wizard for a draft or a platform. `fill` puts the sandbox's values into the fields;
    `refused`: the consent that was just asked for was not given.
    """
    found = wizard.view(
        ctx,
        connection_id=connection_id,
        platform_id=platform,
        method=method,
        step=step,
        origin=origin,
    )
    zone = organization.get(ctx).time_zone
    card = found.platform
    view = View(
        connection_id=str(found.connection_id or ""),
        name=found.name,
        platform=card.id,
        platform_name=card.name,
        summary=card.summary,
        demo=found.provenance == "demo",
        demo_possible=found.demo_possible,
        chosen=True,
        step=found.step,
        started=found.status not in {"draft", "authorising", "selecting_accounts"},
        done=[s.number for s in found.steps if s.state == "done"],
        reached=max((s.number for s in found.steps if s.state != "locked"), default=1),
        minutes=_minutes(card.setup_minutes),
        role_needed=card.role_needed,
        docs_url=card.docs_url,
        never=list(card.never),
        needs=[Need(p.text, WHO.get(p.who, p.who), p.wait, p.link) for p in card.prerequisites],
        brings=[f"{s.title}: a row per {s.grain}" for s in card.streams],
        methods=[
            Method(m.id, m.title, m.summary, KINDS.get(m.kind, m.kind), m.access_life)
            for m in card.methods
        ],
        method=found.method,
        kind=found.kind,
        redirect_uri=found.redirect_uri,
        signed_in=found.signed_in,
        missing=list(found.missing_scopes),
        selected=sum(a.selected for a in found.accounts),
        defines=found.defines,
        history_days=found.history_days,
        schedule=found.schedule,
        zone=found.schedule_zone,
        next_runs=[fmt.moment(t, found.schedule_zone, ctx.now().date()) for t in found.next_runs],
        schedule_problem=found.schedule_problem,
        run_id=str(found.run_id or ""),
        estimate=_estimate(found.load, defines=found.defines),
    )
    _fill_lists(view, found, fill=fill and view.demo)
    view.scopes = [_scope(replace(s, granted=False) if refused else s) for s in found.scopes]
    view.sums = _summary(view)
    if found.cause:
        view.cause_what, view.cause_why = str(found.cause["what"]), str(found.cause["why"])
        view.cause_fix = str(found.cause["fix"])
    del zone
    return view


def _fill_lists(view: View, found: wizard.View, *, fill: bool) -> None:
    chosen = next((m for m in found.platform.methods if m.id == found.method), None)
    demo = dict(chosen.demo) if chosen else {}
    view.instructions = list(chosen.steps) if chosen else []
    view.demo_fields = bool(demo) and view.demo
    view.fields = [
        FieldRow(
            name=f.name,
            label=f.label if f.required else f"{f.label} (optional)",
            help=f.help,
            secret=f.secret,
            required=f.required and not f.stored,
            placeholder=f.placeholder,
            value=demo.get(f.name, "") if fill else f.value,
            hint=f.hint,
            multiline=f.multiline,
            choices=[list(c) for c in f.choices],
        )
        for f in found.fields
    ]
    view.accounts = [
        AccountRow(
            id=str(a.id),
            name=a.name,
            external_id=a.external_id,
            usable=a.usable,
            selected=a.selected and a.usable,
            about=", ".join(x for x in (a.currency, a.time_zone, a.status) if x),
            note=a.reason or (
                f"Already read by {fmt.listed(a.also_in)}: its figures would count twice."
                if a.also_in else ""
            ),
            elsewhere=bool(a.also_in),
        )
        for a in found.accounts
    ]
    view.any_elsewhere = any(a.elsewhere for a in view.accounts)
    view.streams = [
        StreamRow(
            name=s.name,
            title=s.title,
            chosen=s.chosen,
            defined=s.defined,
            about=s.grain
            + (
                f", the last {fmt.plural(s.reread_days, 'day')} re-read each time"
                if s.reread_days
                else ""
            )
            + (", personal data" if s.pii else ""),
        )
        for s in found.streams
    ]
    view.history = [
        HistoryRow(h.days, h.title, _estimate(h.load, defines=found.defines), h.chosen)
        for h in found.history
    ]


def _scope(one: wizard.ScopeRow) -> Scope:
    kind, word = "mute", "Reads only" if one.read_only else "Can write"
    if one.granted is True:
        kind, word = "ok", "Granted"
    elif one.granted is False:
        kind, word = ("bad", "Missing") if one.required else ("warn", "Not granted")
    return Scope(one.name, one.reason, kind, word, one.without)


def _summary(view: View) -> list[list[str]]:
    names = [a.name for a in view.accounts if a.selected]
    return [
        ["Platform", view.platform_name + (", sandbox" if view.demo else "")],
        ["Accounts", fmt.listed(names, most=3) or fmt.UNKNOWN],
        ["Streams", f"{sum(s.chosen for s in view.streams)} of {len(view.streams)}"],
        ["History", f"{fmt.plural(view.history_days, 'day')}, {view.estimate}"],
        ["Schedule", f"{SCHEDULES.get(view.schedule, view.schedule)} ({view.zone})"],
    ]


def _estimate(load: sync.Estimate, *, defines: bool) -> str:
    if not load.calls:
        return f"unknown until a stream is {'defined' if defines else 'chosen'}"
    words = f"{fmt.plural(load.calls, 'call')}, {fmt.duration(load.seconds, parts=1)}"
    return f"at least {words}; more with many records" if load.grows else f"about {words}"


def _minutes(span: tuple[int, int]) -> str:
    low, high = span
    return f"{low} min" if low == high else f"{low} to {high} min"
