"""Look around: connect every platform's imitation as a person would, consent page included.

Calling it again finishes what is missing and changes nothing else. One call removes all of it.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final
from urllib.parse import parse_qsl, urljoin, urlsplit
from uuid import UUID

import httpx
from sqlmodel import col, select

from liftos_app.errors import Conflict, GiveUp, LiftOSError, Retry
from liftos_app.models import Connection, Provenance
from liftos_app.services import audit, catalogue, condition, connections, consent, oauth
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.spec import AuthMethod, Platform
from liftos_app.services.context import App, Context, Principal, open_context

log = logging.getLogger(__name__)
MOST_PAGES: Final = 8
SECONDS: Final = 30.0
_YES: Final = re.compile(r"allow|approve|accept|grant|install|continue|yes", re.IGNORECASE)
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Connected:
    """One platform of the look-around. `error` says why it is not there."""

    platform: str
    name: str
    connection_id: UUID | None = None
    run_id: UUID | None = None
    was_there: bool = False
    error: str = ""


def look_around(
    app: App, who: Principal, org_id: int, *, origin: str = "",
    on_step: Callable[[Connected], None] | None = None,
) -> list[Connected]:
    """Connect all platforms in the sandbox, choose all usable accounts, ask for the first syncs.

    Not from the event loop: it talks to this very process over HTTP. Raises Conflict when demo mode
    is off; a platform that fails is reported and does not stop the others.
    """
    with open_context(app, who, org_id) as ctx:
        ctx.require("demo.use")
        if not ctx.settings.demo_mode:
            raise Conflict(
                "The sandbox is switched off.", why="This installation runs with DEMO_MODE=false.",
                fix="Ask the operator to switch demo mode on, or connect a platform of your own.",
            )
    found = []
    with _one_at_a_time:
        for step in _each(app, who, org_id, origin or app.settings.public_url):
            found.append(step)
            if on_step is not None:
                on_step(step)
    with open_context(app, who, org_id, write=True) as ctx:
        audit.record(ctx, "demo.looked_around", platforms=[f.platform for f in found])
    return found


def remove(ctx: Context) -> int:
    """Delete every demo connection with its rows and credentials. Returns how many."""
    ctx.require("demo.use")
    ctx.require("connections.delete")
    found = _demo_connections(ctx)
    for connection in found:
        connections.delete(ctx, connection.id)
    audit.record(ctx, "demo.removed", connections=len(found))
    return len(found)


def is_there(ctx: Context) -> bool:
    """Whether this organization has demo connections."""
    ctx.require("connections.read")
    return bool(_demo_connections(ctx))


def _each(app: App, who: Principal, org_id: int, origin: str) -> Iterator[Connected]:
    for platform in registry.all_platforms():
        if platform.define is not None and not catalogue.demo_streams(platform.slug):
            continue  # nothing to read before a person has said what
        try:
            yield _connect(app, who, org_id, platform, origin)
        except LiftOSError as error:
            log.warning(
                "demo.platform_failed", extra={"platform": platform.slug, "code": error.code}
            )
            yield Connected(platform.slug, platform.name, error=error.sentence())


def _connect(
    app: App, who: Principal, org_id: int, platform: Platform, origin: str
) -> Connected:
    """One platform, from whatever point an earlier try reached."""
    with open_context(app, who, org_id) as ctx:
        there = [c for c in _demo_connections(ctx) if c.platform == platform.slug]
        done = next((c for c in there if condition.started(c)), None)
        draft = next((c for c in there if not condition.started(c)), None)
        signed_in = draft is not None and condition.signed_in(ctx, draft)
    if done is not None:
        return Connected(platform.slug, platform.name, done.id, was_there=True)
    method, inputs = _sign_in_values(platform)
    if draft is None:
        with open_context(app, who, org_id, write=True) as ctx:
            draft = connections.create_draft(
                ctx, platform.slug, mode=Provenance.DEMO.value, method=method.id
            )
    if not signed_in:
        _sign_in(app, who, org_id, draft.id, method=method, inputs=inputs, origin=origin)
    elif not _has_accounts(app, who, org_id, draft.id):
        connections.discover_accounts(app, who, org_id, draft.id)
    with open_context(app, who, org_id, write=True) as ctx:
        connections.select_accounts(ctx, draft.id, "all")
        own = catalogue.demo_streams(platform.slug)
        if own:
            connections.define(ctx, draft.id, own)
        run = connections.start(ctx, draft.id)
        return Connected(platform.slug, platform.name, draft.id, run.id)


def _sign_in_values(platform: Platform) -> tuple[AuthMethod, Mapping[str, str]]:
    """The first method the sandbox has values for, a consent page before a key."""
    demo = catalogue.demo_credentials(platform.slug)
    ready = [m for m in platform.auth if m.id in demo]
    if not ready:
        raise GiveUp(
            f"The sandbox has no credentials for {platform.name}.", why="They are not listed.",
            fix="Report it to the people who run this installation.",
        )
    first = next((m for m in ready if m.has_consent), ready[0])
    chosen = ready[0] if ready[0].kind == "key" else first
    return chosen, demo[chosen.id]


def _sign_in(
    app: App, who: Principal, org_id: int, connection_id: UUID, *, method: AuthMethod,
    inputs: Mapping[str, str], origin: str,
) -> None:
    known = {i.name for i in method.inputs}
    values = {k: v for k, v in inputs.items() if k in known}
    if not method.has_consent:
        connections.sign_in(app, who, org_id, connection_id, inputs=values, method=method.id)
        return
    with open_context(app, who, org_id, write=True) as ctx:
        connections.save_inputs(ctx, connection_id, values, method=method.id)
        platform = connections.get(ctx, connection_id).platform
    begun = consent.open_consent(app, who, org_id, connection_id, origin=origin)
    params = walk_consent(begun.url, return_to=begun.redirect_uri, reach=app.settings.self_url)
    finished = oauth.finish(
        app, platform, params, session_id=who.session_id, origin=origin, who=who
    )
    connections.after_sign_in(app, who, org_id, finished.connection_id)


def walk_consent(
    url: str, *, return_to: str, reach: str, transport: httpx.BaseTransport | None = None
) -> dict[str, str]:
    """Open a consent page, press its approving button, and return what it redirects with.

    `reach` is the address at which this process reaches itself: the public one may not lead here.
    Raises GiveUp when the page is not a form, Retry when it does not answer.
    """
    home = _origin_of(return_to)
    allowed = {home, _origin_of(url), reach}
    with httpx.Client(
        trust_env=False, follow_redirects=False, timeout=SECONDS, transport=transport
    ) as http:
        request = http.build_request("GET", _inside(url, home, reach))
        for _ in range(MOST_PAGES):
            try:
                answer = http.send(request)
            except httpx.HTTPError as error:
                raise Retry(
                    "The sandbox does not answer.", why="Its consent page could not be opened.",
                    fix="Try again in a moment.",
                ) from error
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["location"])
                if _same_page(target, return_to):
                    return dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
                if _origin_of(target) not in allowed:
                    break
                request = http.build_request("GET", _inside(target, home, reach))
                continue
            form = _form(answer.text) if answer.is_success else None
            if form is None:
                break
            target = _inside(urljoin(str(answer.url), form.action), home, reach)
            if _origin_of(target) not in allowed:
                break
            if form.method == "post":
                request = http.build_request("POST", target, data=form.values)
            else:
                request = http.build_request("GET", target, params=form.values)
    raise GiveUp(
        "The sandbox's consent page could not be passed.",
        why="It showed no form to approve.",
        fix="Report it to the people who run this installation.", status=answer.status_code,
    )


@dataclass(slots=True)
class _Form:
    action: str = ""
    method: str = "get"
    values: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    """Reads the first form: hidden values, defaults, and its approving button."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self._open: _Form | None = None
        self._button: tuple[str, str] | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = _Form(found.get("action", ""), found.get("method", "get").lower())
            self._button = None
            self.forms.append(self._open)
        elif self._open is None:
            return
        elif tag in {"input", "button"}:
            self._take(tag, found, {name for name, _ in attrs})
        elif tag == "select":
            self._select = found.get("name", "")
        elif tag == "option" and self._select and (
            self._select not in self._open.values or "selected" in found
        ):
            self._open.values[self._select] = found.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._open is not None:
            if self._button is not None and self._button[0]:
                self._open.values[self._button[0]] = self._button[1]
            self._open = None
        elif tag == "select":
            self._select = ""

    def _take(self, tag: str, found: Mapping[str, str], given: set[str]) -> None:
        assert self._open is not None  # noqa: S101  (the caller looked)
        kind = found.get("type", "submit" if tag == "button" else "text").lower()
        name, value = found.get("name", ""), found.get("value", "")
        if kind in {"submit", "image"}:
            if self._button is None or (_YES.search(f"{name} {value}")
                                        and not _YES.search(" ".join(self._button))):
                self._button = (name, value)
        elif kind in {"checkbox", "radio"}:
            if name and "checked" in given and "disabled" not in given:
                self._open.values[name] = value or "on"
        elif name:
            self._open.values[name] = value


def _form(html: str) -> _Form | None:
    reader = _Reader()
    reader.feed(html)
    return reader.forms[0] if reader.forms else None


def _inside(url: str, home: str, reach: str) -> str:
    """An address of our public origin as this process reaches it; others stay."""
    return reach + url[len(home):] if _origin_of(url) == home else url


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _same_page(target: str, return_to: str) -> bool:
    one, other = urlsplit(target), urlsplit(return_to)
    return (one.scheme, one.netloc, one.path) == (other.scheme, other.netloc, other.path)


def _has_accounts(app: App, who: Principal, org_id: int, connection_id: UUID) -> bool:
    with open_context(app, who, org_id) as ctx:
        return any(a.usable for a in connections.accounts_of(ctx, connection_id))


def _demo_connections(ctx: Context) -> list[Connection]:
    return list(ctx.session.exec(
        select(Connection).where(
            col(Connection.org_id) == ctx.org, col(Connection.deleted_at).is_(None),
            col(Connection.provenance) == Provenance.DEMO.value,
        ).order_by(col(Connection.created_at))
    ).all())
