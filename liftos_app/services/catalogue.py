"""The platforms one can connect, as cards and details for the page and for REST.

Everything is read from the connectors' own descriptions; in demo mode the sandbox's credentials
are listed too, so that a script can do what a person does. Those are no secrets.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlmodel import col, func, select

from liftos_app.errors import Missing
from liftos_app.models import Connection
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.spec import AuthMethod, Input, Platform, Stream
from liftos_app.services.context import Context

CATEGORIES: Final = ("Ads", "Mail", "Store", "CRM", "Payments", "Warehouse", "Other")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputView:
    """One value a person types."""

    name: str
    label: str
    help: str
    secret: bool
    required: bool
    placeholder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodView:
    """One way to sign in, with the sandbox's own values for it in demo mode."""

    id: str
    kind: str  # oauth2, oauth1, key, client_credentials
    title: str
    summary: str
    access_life: str
    steps: tuple[str, ...]
    inputs: tuple[InputView, ...]
    demo: Mapping[str, str]  # empty unless in demo mode


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeView:
    """One permission in words."""

    name: str
    reason: str
    required: bool
    read_only: bool
    without: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamView:
    """One stream a connection can read. Days and hours are the platform's, not ours."""

    name: str
    title: str
    grain: str
    default: bool
    daily: bool
    reread_days: int
    latency_hours: float
    history_days: int
    pii: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PrerequisiteView:
    """Something needed first, and who can do it."""

    text: str
    who: str
    wait: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A platform in the catalogue."""

    id: str
    name: str
    category: str
    tier: int
    summary: str
    api_version: str
    version_ends: dt.date | None
    needs_app: bool
    setup_minutes: tuple[int, int]
    history: str
    latency: str
    role_needed: str
    docs_url: str
    never: tuple[str, ...]
    sign_in_kinds: tuple[str, ...]
    methods: tuple[MethodView, ...]
    scopes: tuple[ScopeView, ...]
    streams: tuple[StreamView, ...]
    prerequisites: tuple[PrerequisiteView, ...]
    demo_credentials: Mapping[str, Mapping[str, str]]  # by method id; empty unless in demo mode
    connections: Mapping[str, int]  # how many of this organization's, by status


def cards(ctx: Context, *, search: str = "", category: str = "") -> list[Card]:
    """All platforms that can be connected, those of lower tier first, with this organization's."""
    ctx.require("connections.read")
    counts = _counts(ctx)
    words = search.strip().lower().split()
    found = [
        card(platform, demo_mode=ctx.settings.demo_mode, connections=counts.get(platform.slug, {}))
        for platform in sorted(registry.all_platforms(), key=lambda p: (p.tier, p.name))
        if not category or platform.category == category
    ]
    return [
        c for c in found
        if all(w in f"{c.name} {c.summary} {c.category} {c.id}".lower() for w in words)
    ]


def one(ctx: Context, platform_id: str) -> Card:
    """One platform. Raises Missing."""
    ctx.require("connections.read")
    platform = find(platform_id)
    return card(
        platform, demo_mode=ctx.settings.demo_mode,
        connections=_counts(ctx).get(platform.slug, {}),
    )


def find(platform_id: str) -> Platform:
    """The connector's description. Raises Missing with the ids that exist."""
    for platform in registry.all_platforms():
        if platform.slug == platform_id:
            return platform
    raise Missing(
        f"There is no platform called {platform_id[:40]!r}.",
        why="The id is not in the catalogue.",
        fix="Use one of: " + ", ".join(sorted(p.slug for p in registry.all_platforms())) + ".",
        field="platform",
    )


def find_method(platform: Platform, method_id: str) -> AuthMethod:
    """A way to sign in; empty means the platform's first. Raises Missing with those that exist."""
    if not method_id:
        return platform.auth[0]
    for method in platform.auth:
        if method.id == method_id:
            return method
    raise Missing(
        f"{platform.name} has no sign-in method called {method_id[:40]!r}.",
        why="The id is not one of its methods.",
        fix="Use one of: " + ", ".join(m.id for m in platform.auth) + ".",
        field="method",
    )


def demo_credentials(platform_id: str) -> Mapping[str, Mapping[str, str]]:
    """The sandbox's own values, by method id and input name."""
    from liftos_app.services.sandbox import credentials

    found: Mapping[str, Mapping[str, str]] = credentials.DEMO.get(platform_id, {})
    return found


def demo_streams(platform_id: str) -> list[dict[str, Any]]:
    """Streams to define in a look-around: those that bring what no other imitation brings."""
    from liftos_app.services.sandbox import credentials

    names = credentials.LOOK_AROUND.get(platform_id, ())
    return [s for s in credentials.STREAMS.get(platform_id, []) if s["name"] in names]


def card(
    platform: Platform, *, demo_mode: bool, connections: Mapping[str, int] | None = None
) -> Card:
    """A platform's description in the shape shown to people and programs."""
    demo = demo_credentials(platform.slug) if demo_mode else {}
    return Card(
        id=platform.slug, name=platform.name, category=platform.category, tier=platform.tier,
        summary=platform.summary, api_version=platform.api_version,
        version_ends=platform.version_ends, needs_app=platform.needs_app,
        setup_minutes=platform.setup_minutes, history=platform.history, latency=platform.latency,
        role_needed=platform.role_needed, docs_url=platform.docs_url, never=platform.never,
        sign_in_kinds=tuple(dict.fromkeys(m.kind for m in platform.auth)),
        methods=tuple(_method(m, demo.get(m.id, {})) for m in platform.auth),
        scopes=tuple(
            ScopeView(
                name=s.name, reason=s.reason, required=s.required, read_only=s.read_only,
                without=s.without,
            )
            for s in platform.scopes
        ),
        streams=tuple(_stream(s) for s in platform.streams),
        prerequisites=tuple(
            PrerequisiteView(text=p.text, who=p.who, wait=p.wait, link=p.link)
            for p in platform.prerequisites
        ),
        demo_credentials={k: dict(v) for k, v in demo.items()},
        connections=dict(connections or {}),
    )


def _method(method: AuthMethod, demo: Mapping[str, str]) -> MethodView:
    return MethodView(
        id=method.id, kind=method.kind, title=method.title, summary=method.summary,
        access_life=method.access_life, steps=method.steps,
        inputs=tuple(_input(i) for i in method.inputs), demo=dict(demo),
    )


def _input(one_input: Input) -> InputView:
    return InputView(
        name=one_input.name, label=one_input.label, help=one_input.help, secret=one_input.secret,
        required=one_input.required, placeholder=one_input.placeholder,
    )


def _stream(stream: Stream) -> StreamView:
    window = stream.window
    return StreamView(
        name=stream.name, title=stream.title, grain=stream.grain, default=stream.default,
        daily=window is not None or bool(stream.cursor),
        reread_days=window.reread_days if window else 0,
        latency_hours=window.latency_hours if window else 0.0,
        history_days=window.history_days if window else 0, pii=stream.pii,
    )


def _counts(ctx: Context) -> dict[str, dict[str, int]]:
    rows = ctx.session.exec(
        select(Connection.platform, Connection.status, func.count())
        .where(col(Connection.org_id) == ctx.org, col(Connection.deleted_at).is_(None))
        .group_by(Connection.platform, Connection.status)
    ).all()
    counts: dict[str, dict[str, int]] = {}
    for platform, status, number in rows:
        counts.setdefault(platform, {})[str(status)] = number
    return counts
