"""What the catalogue answers: a platform with its sign-in methods, permissions and streams."""

from __future__ import annotations

import datetime as dt

from liftos_app.api.shapes import Strict
from liftos_app.services import catalogue


class InputOut(Strict):
    """One value to type."""

    name: str
    label: str
    help: str
    secret: bool
    required: bool
    placeholder: str


class MethodOut(Strict):
    """One way to sign in."""

    id: str
    kind: str
    title: str
    summary: str
    access_life: str
    steps: list[str]
    inputs: list[InputOut]


class ScopeOut(Strict):
    """One permission in words."""

    name: str
    reason: str
    required: bool
    read_only: bool
    without: str


class StreamOut(Strict):
    """One stream a connection can read."""

    name: str
    title: str
    grain: str
    default: bool
    reread_days: int
    latency_hours: float
    history_days: int


class PrerequisiteOut(Strict):
    """Something needed first."""

    text: str
    who: str
    wait: str
    link: str


class PlatformOut(Strict):
    """A platform of the catalogue. `demo_credentials` is empty unless in demo mode."""

    id: str
    name: str
    category: str
    tier: int
    summary: str
    api_version: str
    version_ends: dt.date | None
    needs_app: bool
    setup_minutes: list[int]
    history: str
    latency: str
    role_needed: str
    docs_url: str
    never: list[str]
    methods: list[MethodOut]
    scopes: list[ScopeOut]
    streams: list[StreamOut]
    prerequisites: list[PrerequisiteOut]
    demo_credentials: dict[str, dict[str, str]]
    connections: dict[str, int]

    @classmethod
    def of(cls, card: catalogue.Card) -> PlatformOut:
        """From a catalogue card."""
        return cls(
            id=card.id, name=card.name, category=card.category, tier=card.tier,
            summary=card.summary, api_version=card.api_version, version_ends=card.version_ends,
            needs_app=card.needs_app, setup_minutes=list(card.setup_minutes),
            history=card.history, latency=card.latency, role_needed=card.role_needed,
            docs_url=card.docs_url, never=list(card.never),
            methods=[
                MethodOut(
                    id=m.id, kind=m.kind, title=m.title, summary=m.summary,
                    access_life=m.access_life, steps=list(m.steps),
                    inputs=[
                        InputOut(
                            name=i.name, label=i.label, help=i.help, secret=i.secret,
                            required=i.required, placeholder=i.placeholder,
                        )
                        for i in m.inputs
                    ],
                )
                for m in card.methods
            ],
            scopes=[
                ScopeOut(
                    name=s.name, reason=s.reason, required=s.required, read_only=s.read_only,
                    without=s.without,
                )
                for s in card.scopes
            ],
            streams=[
                StreamOut(
                    name=s.name, title=s.title, grain=s.grain, default=s.default,
                    reread_days=s.reread_days, latency_hours=s.latency_hours,
                    history_days=s.history_days,
                )
                for s in card.streams
            ],
            prerequisites=[
                PrerequisiteOut(text=p.text, who=p.who, wait=p.wait, link=p.link)
                for p in card.prerequisites
            ],
            demo_credentials={k: dict(v) for k, v in card.demo_credentials.items()},
            connections=dict(card.connections),
        )
