"""Forms of the browser: second step, enrolling, proof, keys, invitations, resets, organizations."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlmodel import select
from starlette.types import ASGIApp

from liftos_app.api.security import SecurityHeaders
from liftos_app.config_mail import Smtp
from liftos_app.models import Membership, OneTimeLink, Organization, Role, User, WebSession
from liftos_app.services import accounts, first_run, mail, passwords, resets, second_factor, totp
from liftos_app.services.context import App, Principal, open_context
from tests.api.conftest import BASE, PASSWORD, page_server
from tests.api.shared_routes import api_of
from tests.smtp_server import SmtpServer

OURS = {"sec-fetch-site": "same-origin", "origin": BASE}
NEW = "several unrelated words 77"
OPERATOR = Principal(kind="operator", role=accounts.OPERATOR_ROLE)


@pytest.fixture(autouse=True)
def quick_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "make_code_hash", lambda given: given.replace("-", ""))
    monkeypatch.setattr(
        passwords, "fits_code", lambda given, stored: given.replace("-", "") == stored
    )


@contextmanager
def mail_server(app: App) -> Iterator[SmtpServer]:
    """Mail goes to this server, once it is asked for with `mail.deliver(app)`."""
    with SmtpServer() as server:
        app.settings = replace(
            app.settings, smtp=Smtp("127.0.0.1", server.port, "none"),
            mail_from=("LiftOS", "liftos@example.com"),
        )
        yield server


@pytest.fixture
def inbox(app: App) -> Iterator[SmtpServer]:
    with mail_server(app) as server:
        yield server


@pytest.fixture
async def browser(served: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """Keeps cookies; its forms come from our own pages."""
    transport = httpx.ASGITransport(app=served, client=("203.0.113.9", 40000))
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=OURS) as opened:
        yield opened


def text_of(answer: httpx.Response) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", answer.text))


async def sign_in(browser: httpx.AsyncClient, **more: str) -> httpx.Response:
    given = {"email": "ann@example.com", "password": PASSWORD, "next": "/connections", **more}
    return await browser.post("/auth/login", data=given)


def make_admin(app: App, role: Role = Role.ADMIN) -> None:
    with app.db.write() as session:
        session.exec(select(Membership)).one().role = role


def seed_of(answer: httpx.Response) -> str:
    found = re.search(r'id="seed"[^>]*>([A-Z2-7 ]+)<', answer.text)
    assert found, answer.text
    return found[1].replace(" ", "")


def now_code(app: App, seed: str) -> str:
    return totp.code_at(seed, totp.step_of(app.now()))


@pytest.fixture
async def strict(app: App, ann: User, built_page: Any) -> AsyncIterator[httpx.AsyncClient]:
    """An installation where administrators need a second factor, and a browser in front of it."""
    make_admin(app)
    strict = replace(app, settings=replace(app.settings, require_mfa="admins"))
    api = api_of(strict)
    api.mount("", page_server)
    transport = httpx.ASGITransport(
        app=SecurityHeaders(api, strict.settings, folder=built_page), client=("203.0.113.9", 4)
    )
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=OURS) as opened:
        yield opened


async def test_L26_an_administrator_sets_a_second_factor_up_on_the_way_in(
    app: App, strict: httpx.AsyncClient, clock: Any
) -> None:
    answer = await sign_in(strict)
    assert answer.headers["location"] == "/auth/second-factor"
    assert "liftos_sid" not in strict.cookies
    page = await strict.get("/auth/second-factor")
    seed = seed_of(page)
    picture = await strict.get("/auth/second-factor/code.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert picture.headers["cache-control"] == "no-store"
    assert seed not in picture.text
    wrong = await strict.post("/auth/second-factor", data={"code": "000000"})
    assert wrong.status_code == 422
    assert seed_of(wrong) == seed
    done = await strict.post("/auth/second-factor", data={"code": now_code(app, seed)})
    codes = re.findall(r"[a-z2-9]{4}(?:-[a-z2-9]{4}){3}", done.text)
    assert len(set(codes)) == 10
    assert 'href="/connections"' in done.text
    assert "liftos_sid" in strict.cookies
    assert "liftos_step" not in strict.cookies
    again = await strict.get("/auth/second-factor")
    assert again.headers["location"] == "/settings?tab=security"
    # the next sign-in asks for the code, and the old session dies with it
    old = strict.cookies["liftos_sid"]
    clock.advance(seconds=30)
    assert (await sign_in(strict)).headers["location"] == "/auth/second-step"
    refused = await strict.post("/auth/second-step", data={"code": "123456"})
    assert refused.status_code == 422
    fine = await strict.post("/auth/second-step", data={"code": now_code(app, seed)})
    assert (fine.status_code, fine.headers["location"]) == (303, "/connections")
    assert accounts.resolve(app, old) is None
    assert accounts.resolve(app, strict.cookies["liftos_sid"]) is not None


async def test_L32_a_waiting_sign_in_opens_nothing_else(strict: httpx.AsyncClient) -> None:
    await sign_in(strict)
    step = strict.cookies["liftos_step"]
    for name in ("liftos_step", "liftos_sid"):
        strict.cookies.clear()
        strict.cookies.set(name, step)
        for path in ("/auth/keys", "/auth/password", "/auth/invite", "/auth/everywhere"):
            answer = await strict.post(path, data={"name": "x"})
            assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize("path", ["/auth/second-step", "/auth/second-factor"])
async def test_the_second_step_without_a_first_goes_to_the_door(
    client: httpx.AsyncClient, path: str
) -> None:
    for answer in (await client.get(path), await client.post(path, data={"code": "1"},
                                                             headers=OURS)):
        assert answer.headers["location"] == "/login?error=expired"
    assert (await client.get("/auth/second-factor/code.svg")).status_code == 401


async def test_L12_a_key_asks_for_the_password_again_after_five_minutes_and_goes_on_by_itself(
    app: App, browser: httpx.AsyncClient, ann: User, clock: Any
) -> None:
    await sign_in(browser)
    clock.advance(minutes=6)
    form = {"name": "Nightly <report>", "scope_read": "yes", "days": "30"}
    asked = await browser.post("/auth/keys", data=form)
    assert "Confirm it is you" in asked.text
    assert 'value="Nightly &lt;report&gt;"' in asked.text
    assert "lft_" not in asked.text
    wrong = await browser.post("/auth/keys", data={**form, "proof": "wrong"})
    assert wrong.status_code == 422
    before = browser.cookies["liftos_sid"]
    made = await browser.post("/auth/keys", data={**form, "proof": PASSWORD})
    found = re.search(r"lft_[0-9a-z]{12}_[0-9A-Za-z]{49}", made.text)
    assert found
    assert made.headers["cache-control"] == "no-store"
    assert browser.cookies["liftos_sid"] != before  # L32: a new id after the step up
    assert accounts.resolve(app, before) is None
    me = await browser.get("/api/v1/me", headers={"authorization": f"Bearer {found[0]}"})
    assert me.json()["permissions"] == [
        "metrics.read", "connections.read", "quality.read", "organization.read"
    ]
    assert "Confirm" not in (await browser.post("/auth/keys", data=form)).text


async def test_L12_confirming_leads_to_our_own_pages_only(
    browser: httpx.AsyncClient, ann: User
) -> None:
    await sign_in(browser)
    for wanted, path in (("/settings/people", "/settings/people"), ("//evil.example", "/"),
                         ("https://evil.example", "/"), ("/auth/second-factor",
                                                         "/auth/second-factor"),
                         ("/auth/logout", "/"), ("/\\evil.example", "/")):
        page = await browser.get("/auth/confirm", params={"next": wanted})
        assert page.status_code == 200
        answer = await browser.post("/auth/confirm", data={"next": wanted, "proof": PASSWORD})
        assert answer.headers["location"] == path


async def test_L32_changing_the_password_gives_the_session_a_new_id(
    app: App, browser: httpx.AsyncClient, ann: User
) -> None:
    await sign_in(browser)
    old = browser.cookies["liftos_sid"]
    for given, code in (
        ({"current": "no", "new": NEW, "again": NEW}, "current_password"),
        ({"current": PASSWORD, "new": NEW, "again": "x"}, "passwords_differ"),
        ({"current": PASSWORD, "new": "short", "again": "short"}, "password_short"),
    ):
        answer = await browser.post("/auth/password", data=given)
        assert answer.headers["location"] == f"/settings?tab=security&error={code}"
    answer = await browser.post(
        "/auth/password", data={"current": PASSWORD, "new": NEW, "again": NEW}
    )
    assert answer.headers["location"] == "/settings?tab=security&done=password"
    assert accounts.resolve(app, old) is None
    assert accounts.resolve(app, browser.cookies["liftos_sid"]) is not None


async def test_L34_L35_signing_out_everywhere_ends_all_and_clears_the_browser(
    app: App, browser: httpx.AsyncClient, ann: User, served: ASGIApp
) -> None:
    await sign_in(browser)
    other = accounts.sign_in(app, email="ann@example.com", password=PASSWORD, ip="", user_agent="")
    answer = await browser.post("/auth/everywhere")
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert "liftos_sid" not in browser.cookies
    assert accounts.resolve(app, other.token) is None
    with app.db.read() as session:
        assert session.exec(select(WebSession)).all() == []


async def test_switching_goes_to_organizations_of_ones_own_only(
    app: App, browser: httpx.AsyncClient, ann: User, organization: Organization,
    other_organization: Organization,
) -> None:
    await sign_in(browser)
    there = {"organization": str(other_organization.public_id)}
    assert (await browser.post("/auth/organization", data=there)).status_code == 404
    with app.db.write() as session:
        session.add(Membership(org_id=other_organization.id or 0, user_id=ann.id,
                               role=Role.VIEWER, created_at=app.now()))
    assert (await browser.post("/auth/organization", data=there)).headers["location"] == "/"
    found = accounts.resolve(app, browser.cookies["liftos_sid"])
    assert found is not None
    assert (found.org_id, found.who.role) == (other_organization.id, Role.VIEWER)
    for text in ("", "1", "' or 1=1", str(ann.id)):
        answer = await browser.post("/auth/organization", data={"organization": text})
        assert answer.status_code == 404


async def test_an_invitation_from_the_form_to_the_first_page(
    app: App, browser: httpx.AsyncClient, ann: User, served: ASGIApp, organization: Organization
) -> None:
    make_admin(app)
    await sign_in(browser)
    page = await browser.post("/auth/invite", data={"email": "ben@example.com", "role": "manager"})
    found = re.search(rf"{re.escape(app.settings.public_url)}/auth/invitation#([\w-]{{43}})",
                      page.text)
    assert found, page.text
    token = found[1]
    transport = httpx.ASGITransport(app=served, client=("203.0.113.77", 1))
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=OURS) as ben:
        empty = await ben.get("/auth/invitation")
        assert 'data-from-hash="send"' in empty.text
        offer = await ben.post("/auth/invitation", data={"token": token})
        assert "Join Larkspur Home" in text_of(offer)
        assert "manager, with ben@example.com" in text_of(offer)
        weak = await ben.post("/auth/invitation/accept", data={"token": token, "password": "x"})
        assert weak.status_code == 422
        joined = await ben.post(
            "/auth/invitation/accept", data={"token": token, "password": NEW, "name": "Ben"}
        )
        assert joined.headers["location"] == "/"
        seen = accounts.resolve(app, ben.cookies["liftos_sid"])
        assert seen is not None
        assert (seen.who.role, seen.org_id) == (Role.MANAGER, organization.id)
        over = await ben.post("/auth/invitation", data={"token": token})
        assert over.status_code == 403
        assert "no longer valid" in text_of(over)


async def test_L29_a_reset_link_changes_the_password_once_and_skips_no_second_factor(
    app: App, browser: httpx.AsyncClient, ann: User, organization: Organization, clock: Any
) -> None:
    seed = second_factor.begin(app, ann.id, organization.id or 0).reveal()
    second_factor.confirm(app, ann.id, now_code(app, seed), ip="")
    clock.advance(minutes=1)
    with open_context(app, OPERATOR, None, write=True) as ctx:
        first, link = resets.create(ctx, "ANN@example.com"), resets.create(ctx, "ann@example.com")
    token = link.url.partition("/auth/reset#")[2]
    assert len(token) == 43
    page = await browser.get("/auth/reset")
    assert token not in page.text
    differ = await browser.post("/auth/reset", data={"token": token, "new": NEW, "again": "x"})
    weak = await browser.post("/auth/reset", data={"token": token, "new": "x", "again": "x"})
    assert (differ.status_code, weak.status_code) == (422, 422)
    earlier = await browser.post(
        "/auth/reset", data={"token": first.url.partition("#")[2], "new": NEW, "again": NEW}
    )
    assert earlier.status_code == 403  # a newer link replaced it
    done = await browser.post("/auth/reset", data={"token": token, "new": NEW, "again": NEW})
    assert done.headers["location"] == "/login?done=reset"
    assert "liftos_sid" not in browser.cookies
    spent = await browser.post("/auth/reset", data={"token": token, "new": NEW, "again": NEW})
    assert spent.status_code == 403
    assert (await sign_in(browser, password=NEW)).headers["location"] == "/auth/second-step"


async def test_L29_reset_links_last_thirty_minutes_and_end_with_a_password_change(
    app: App, browser: httpx.AsyncClient, ann: User, clock: Any
) -> None:
    with open_context(app, OPERATOR, None, write=True) as ctx:
        old = resets.create(ctx, "ann@example.com").url.partition("#")[2]
    clock.advance(minutes=30)
    form = {"token": old, "new": NEW, "again": NEW}
    assert (await browser.post("/auth/reset", data=form)).status_code == 403
    with open_context(app, OPERATOR, None, write=True) as ctx:
        open_link = resets.create(ctx, "ann@example.com").url.partition("#")[2]
    accounts.set_password(app, email="ann@example.com", password="another quiet harbour 31")
    assert (await browser.post("/auth/reset", data={**form, "token": open_link})).status_code == 403
    with app.db.read() as session:
        assert all(row.used_at for row in session.exec(select(OneTimeLink)).all()[-1:])


async def test_L27_asking_for_a_link_answers_alike_for_everybody(
    app: App, browser: httpx.AsyncClient, ann: User
) -> None:
    assert "liftos admin reset" in text_of(await browser.get("/auth/forgot"))
    with mail_server(app) as server:
        answers = [
            text_of(await browser.post("/auth/forgot", data={"email": email}))
            for email in ("ann@example.com", "nobody@example.com", "ann@example.com")
        ]
        assert answers[0] == answers[1] == answers[2]
        mail.deliver(app)
        assert [m.to for m in server.received] == [["ann@example.com"]]  # one in two minutes
        link = re.search(r"http\S+/auth/reset#(\S+)", server.received[0].text)
    assert link
    done = await browser.post("/auth/reset", data={"token": link[1], "new": NEW, "again": NEW})
    assert done.headers["location"] == "/login?done=reset"


async def test_L27_the_answer_does_not_wait_for_the_link(
    app: App, browser: httpx.AsyncClient, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done for a known address alone comes after the answer: its time tells nothing."""
    from liftos_app.api import link_forms

    made: list[Any] = []

    class Later:
        def __init__(self, work: Any, _app: App, email: str, **_: Any) -> None:
            made.append((work, email))

        async def __call__(self) -> None:
            with app.db.read() as session:
                assert session.exec(select(OneTimeLink)).all() == []

    monkeypatch.setattr(link_forms, "BackgroundTask", Later)
    with mail_server(app):
        await browser.post("/auth/forgot", data={"email": ann.email})
    assert made == [(resets.mail_link, ann.email)]


@pytest.mark.parametrize("path", [
    "/auth/second-step", "/auth/second-factor", "/auth/reset", "/auth/forgot", "/auth/invitation",
    "/auth/invitation/accept", "/auth/confirm", "/auth/password", "/auth/everywhere",
    "/auth/second-factor/remove", "/auth/second-factor/codes", "/auth/organization", "/auth/keys",
    "/auth/invite", "/auth/invite/again",
])
async def test_L74_forms_of_other_pages_do_nothing(
    browser: httpx.AsyncClient, ann: User, path: str
) -> None:
    await sign_in(browser)
    before = browser.cookies["liftos_sid"]
    answer = await browser.post(
        path, data={"token": "x" * 43, "new": NEW, "again": NEW, "current": PASSWORD},
        headers={"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    )
    assert answer.status_code in {303, 403}
    assert "another address" in text_of(answer) or "/login" in answer.headers["location"]
    assert browser.cookies["liftos_sid"] == before


@pytest.fixture
async def far(make_settings: Callable[..., Any], app: App, built_page: Any) -> Any:
    """An installation others can reach before anybody is set up."""
    remote = replace(app, settings=replace(app.settings, host="0.0.0.0"))
    api = api_of(remote)
    transport = httpx.ASGITransport(
        app=SecurityHeaders(api, remote.settings, folder=built_page), client=("203.0.113.9", 4)
    )
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=OURS) as opened:
        yield remote, opened


async def test_L25_the_first_run_from_afar_needs_the_token_printed_at_start(
    far: tuple[App, httpx.AsyncClient], clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "make_hash", lambda given: given)
    monkeypatch.setattr(passwords, "fits", lambda given, stored: given == stored)
    app, browser = far
    form = {"email": "ada@example.com", "password": NEW, "organization": "Larkspur"}
    said = first_run.words_at_start(app)
    token = said.rpartition(": ")[2]
    assert "30 minutes" in said
    for wrong in ("", "x" * 43, token[:-1]):
        answer = await browser.post("/auth/setup", data={**form, "setup_token": wrong})
        assert answer.headers["location"] == "/setup?error=link_over"
    clock.advance(minutes=30)
    late = await browser.post("/auth/setup", data={**form, "setup_token": token})
    assert late.headers["location"] == "/setup?error=link_over"
    token = first_run.words_at_start(app).rpartition(": ")[2]
    mistyped = await browser.post(
        "/auth/setup", data={**form, "email": "no address", "setup_token": token}
    )
    assert "error=invalid_email" in mistyped.headers["location"]
    done = await browser.post("/auth/setup", data={**form, "setup_token": f" {token} "})
    assert done.headers["location"] == "/welcome"
    assert first_run.words_at_start(app) == ""
    again = await browser.post("/auth/setup", data={**form, "setup_token": token})
    assert again.headers["location"].startswith("/login?error=conflict")


def test_L25_on_this_machine_no_token_is_asked_for(app: App) -> None:
    assert first_run.words_at_start(app) == ""
    public = replace(app.settings, public_url="https://liftos.example.com", public_url_given=True)
    assert first_run.words_at_start(replace(app, settings=public)) != ""


async def test_L72_pages_shown_once_are_kept_by_no_cache(
    browser: httpx.AsyncClient, ann: User
) -> None:
    for path in ("/auth/reset", "/auth/invitation", "/auth/forgot", "/auth/confirm"):
        answer = await browser.get(path)
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
        assert "<script>" not in answer.text


async def test_L30_people_are_told_of_a_sign_in_with_a_new_device(
    app: App, browser: httpx.AsyncClient, ann: User, inbox: SmtpServer
) -> None:
    server = inbox
    for agent, told in (("X11; Linux Firefox/140", 0), ("X11; Linux Firefox/141", 0),
                        ("Windows NT 10.0 Edg/140", 1), ("Windows NT 10.0 Edg/140", 1)):
        answer = await browser.post(
            "/auth/login", data={"email": ann.email, "password": PASSWORD},
            headers={"user-agent": agent},
        )
        assert answer.status_code == 303
        mail.deliver(app)
        assert len(server.received) == told, agent
    assert server.received[0].to == [ann.email]
    assert "Edge on Windows" in server.received[0].text


async def test_L30_an_address_is_changed_by_form_and_link_and_the_session_gets_a_new_id(
    app: App, browser: httpx.AsyncClient, ann: User, inbox: SmtpServer
) -> None:
    form = {"email": "ann.new@example.com", "current": PASSWORD}
    assert (await browser.post("/auth/email", data=form)).headers["location"].startswith("/login")
    await sign_in(browser)
    old = browser.cookies["liftos_sid"]
    for given, code in (
        ({**form, "current": "no"}, "current_password"), ({**form, "email": "x"}, "invalid_email"),
        ({**form, "email": "ann@example.com"}, "same_email"),
    ):
        answer = await browser.post("/auth/email", data=given)
        assert answer.headers["location"] == f"/settings?tab=profile&error={code}"
    answer = await browser.post("/auth/email", data=form)
    assert answer.headers["location"] == "/settings?tab=profile&done=email_asked"
    mail.deliver(app)
    link = next(found for m in inbox.received
                if (found := re.search(r"http\S+/auth/email#(\S+)", m.text)))
    page = await browser.get("/auth/email")
    assert 'data-from-hash="keep"' in page.text
    wrong = await browser.post("/auth/email/confirm", data={"token": "x"})
    assert wrong.status_code == 403
    done = await browser.post("/auth/email/confirm", data={"token": link[1]})
    assert done.headers["location"] == "/settings?tab=profile&done=email"
    assert accounts.resolve(app, old) is None
    assert accounts.resolve(app, browser.cookies["liftos_sid"]) is not None
    with app.db.read() as session:
        assert session.get_one(User, ann.id).email == "ann.new@example.com"
