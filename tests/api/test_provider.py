"""Sign-in with an OpenID Connect provider that runs on this machine, with its own keys."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlmodel import select

from liftos_app.api.security import SecurityHeaders
from liftos_app.models import (
    Invitation,
    Membership,
    Organization,
    ProviderSignIn,
    Role,
    User,
    UserIdentity,
)
from liftos_app.services import accounts, passwords
from liftos_app.services.context import App
from tests import oidc_provider
from tests.api.conftest import BASE
from tests.api.shared_routes import api_of


@pytest.fixture(scope="module")
def shared() -> Iterator[oidc_provider.Provider]:
    with oidc_provider.running() as provider:
        yield provider


@pytest.fixture
def provider(shared: oidc_provider.Provider, app: App) -> oidc_provider.Provider:
    fresh = oidc_provider.Provider()
    shared.person, shared.amr, shared.change = fresh.person, fresh.amr, {}
    shared.in_token, shared.fault = True, ""
    shared.now = int(app.now().timestamp())
    shared.asked.clear()
    return shared


@pytest.fixture
async def browser(
    app: App, provider: oidc_provider.Provider, built_page: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in front of an installation that offers the provider."""
    settings = dataclasses.replace(
        app.settings, oidc_issuer=provider.url, oidc_client_id=oidc_provider.CLIENT_ID,
        oidc_client_secret=oidc_provider.CLIENT_SECRET,
    )
    api = api_of(dataclasses.replace(app, settings=settings))
    transport = httpx.ASGITransport(
        app=SecurityHeaders(api, settings, folder=built_page), client=("203.0.113.9", 4)
    )
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as opened:
        yield opened


async def leave(browser: httpx.AsyncClient, next_path: str = "/connections") -> str:
    """Go to the provider and be signed in there: the address it sends the browser back to."""
    out = await browser.get("/auth/provider", params={"next": next_path})
    assert out.status_code == 303, out.text
    async with httpx.AsyncClient(trust_env=False) as outside:
        back = await outside.get(out.headers["location"])
    location = back.headers["location"]
    assert location.startswith(f"{BASE}/auth/provider/callback?")
    return location


async def come(browser: httpx.AsyncClient) -> str:
    """The whole way: where the browser ends."""
    return (await browser.get(await leave(browser))).headers["location"]


def people(app: App) -> list[str]:
    with app.db.read() as session:
        return sorted(session.exec(select(User.email_key)).all())


async def test_a_known_person_signs_in_and_is_remembered_by_subject(
    app: App, browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User
) -> None:
    assert await come(browser) == "/connections"
    found = accounts.resolve(app, browser.cookies["liftos_sid"])
    assert found is not None
    assert found.who.user_id == ann.id
    assert "liftos_provider" not in browser.cookies
    provider.person |= {"email": "renamed@example.com"}  # the subject counts, not the address
    assert await come(browser) == "/connections"
    assert people(app) == ["ann@example.com"]
    with app.db.read() as session:
        assert session.exec(select(UserIdentity.subject)).all() == ["subject-1"]
        assert session.exec(select(ProviderSignIn)).all() == []


async def test_nothing_that_could_finish_a_sign_in_is_stored(
    app: App, browser: httpx.AsyncClient, ann: User
) -> None:
    query = parse_qs(urlsplit(await leave(browser)).query)
    with app.db.read() as session:
        row = session.exec(select(ProviderSignIn)).one()
    stored = str(row.model_dump())
    assert query["state"][0] not in stored
    assert browser.cookies["liftos_provider"] not in stored


async def test_the_address_may_come_from_userinfo(
    browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User
) -> None:
    provider.in_token = False
    assert await come(browser) == "/connections"


async def test_an_invited_person_joins_with_the_role_of_the_invitation(
    app: App, browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User,
    organization: Organization,
) -> None:
    provider.person |= {"sub": "s2", "email": "Ben@Example.com", "name": "Ben"}
    assert await come(browser) == "/login?error=provider_unknown"
    with app.db.write() as session:
        session.add(Invitation(
            org_id=organization.id or 0, email="ben@example.com", email_key="ben@example.com",
            role=Role.ANALYST, token_hash="x", created_at=app.now(),
            expires_at=app.now().replace(year=2027),
        ))
    assert await come(browser) == "/connections"
    found = accounts.resolve(app, browser.cookies["liftos_sid"])
    assert found is not None
    assert (found.who.name, found.who.role) == ("Ben", Role.ANALYST)
    with app.db.read() as session:  # there is no password to guess
        ben = session.exec(select(User).where(User.email_key == "ben@example.com")).one()
    assert ben.password_hash == passwords.UNUSABLE


@pytest.mark.parametrize("verified", [False, None, "true", 1, "false"])
async def test_only_addresses_the_provider_has_verified_count(
    app: App, browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User,
    verified: Any,
) -> None:
    provider.person["email_verified"] = verified
    assert await come(browser) == "/login?error=provider_unknown"
    assert "liftos_sid" not in browser.cookies


async def test_an_address_that_changed_hands_does_not_open_the_old_owners_account(
    browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User
) -> None:
    assert await come(browser) == "/connections"
    browser.cookies.clear()
    provider.person["sub"] = "somebody new at the same address"
    assert await come(browser) == "/login?error=provider_unknown"
    assert "liftos_sid" not in browser.cookies


@pytest.mark.parametrize("change", [
    {"iss": "https://evil.example"}, {"iss": None}, {"aud": "another-client"}, {"aud": None},
    {"aud": [oidc_provider.CLIENT_ID, "other"]},
    {"aud": [oidc_provider.CLIENT_ID, "other"], "azp": "other"}, {"azp": "other"},
    {"nonce": "another"}, {"nonce": None}, {"exp": 1}, {"exp": None}, {"iat": None},
    {"iat": 4_000_000_000}, {"sub": None}, {"sub": 7}, {"sub": ""}, {"sub": "x" * 256},
])
async def test_a_statement_that_is_not_for_us_now_and_for_this_browser_is_refused(
    browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User, change: dict[str, Any]
) -> None:
    provider.change = change
    assert await come(browser) == "/login?error=provider_refused"
    assert "liftos_sid" not in browser.cookies


@pytest.mark.parametrize(("fault", "end"), [
    ("key", "provider_refused"), ("alg", "provider_refused"),
])
async def test_a_statement_of_another_key_or_algorithm_is_refused(
    browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User, fault: str, end: str
) -> None:
    provider.fault = fault
    assert await come(browser) == f"/login?error={end}"


async def test_userinfo_of_somebody_else_is_not_believed(
    browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User
) -> None:
    provider.in_token, provider.fault = False, "userinfo"
    assert await come(browser) == "/login?error=provider_unknown"


@pytest.mark.parametrize(("fault", "end"), [
    ("down", "provider_down"), ("issuer", "provider_refused"),
])
async def test_a_provider_that_fails_says_so_on_the_sign_in_page(
    browser: httpx.AsyncClient, provider: oidc_provider.Provider, fault: str, end: str
) -> None:
    provider.fault = fault
    answer = await browser.get("/auth/provider")
    assert answer.headers["location"] == f"/login?error={end}"


async def test_L46_the_way_back_belongs_to_the_browser_that_left(
    browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User
) -> None:
    location = await leave(browser)
    secret = browser.cookies["liftos_provider"]
    for cookie in ("", "x" * 43):  # somebody else's browser, lured to our callback
        browser.cookies.clear()
        if cookie:
            browser.cookies.set("liftos_provider", cookie)
        assert (await browser.get(location)).headers["location"] == "/login?error=provider_expired"
    browser.cookies.set("liftos_provider", secret)  # and the state was spent by the attempt
    assert (await browser.get(location)).headers["location"] == "/login?error=provider_expired"
    assert provider.asked == []


async def test_L45_a_way_back_works_once_and_for_ten_minutes(
    browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User, clock: Any
) -> None:
    location = await leave(browser)
    secret = browser.cookies["liftos_provider"]
    assert (await browser.get(location)).headers["location"] == "/connections"
    browser.cookies.set("liftos_provider", secret)
    assert (await browser.get(location)).headers["location"] == "/login?error=provider_expired"
    late = await leave(browser)
    clock.advance(minutes=10)
    assert (await browser.get(late)).headers["location"] == "/login?error=provider_expired"


async def test_L47_an_answer_of_another_provider_is_refused(
    browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User
) -> None:
    location = await leave(browser)
    parts = urlsplit(location)
    query = {k: v[0] for k, v in parse_qs(parts.query).items()} | {"iss": "https://evil.example"}
    answer = await browser.get(parts.path, params=query)
    assert answer.headers["location"] == "/login?error=provider_refused"
    assert provider.asked == []


async def test_L48_going_on_stays_on_our_own_pages(
    browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User
) -> None:
    answer = await browser.get(await leave(browser, "//evil.example/x"))
    assert answer.headers["location"] == "/"


async def test_L26_the_providers_password_does_not_skip_the_second_factor(
    app: App, browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User
) -> None:
    with app.db.write() as session:
        session.exec(select(Organization)).one().require_mfa = True
    assert await come(browser) == "/auth/second-factor"
    assert "liftos_sid" not in browser.cookies
    provider.amr = ["pwd", "mfa"]
    assert await come(browser) == "/connections"


async def test_a_disabled_or_homeless_person_stays_outside(
    app: App, browser: httpx.AsyncClient, provider: oidc_provider.Provider, ann: User
) -> None:
    assert await come(browser) == "/connections"
    with app.db.write() as session:
        session.get_one(User, ann.id).disabled_at = app.now()
    browser.cookies.clear()
    assert await come(browser) == "/login?error=provider_unknown"
    with app.db.write() as session:
        session.get_one(User, ann.id).disabled_at = None
        session.delete(session.exec(select(Membership)).one())
    assert await come(browser) == "/login?error=denied"


async def test_without_a_provider_there_is_no_such_way(client: httpx.AsyncClient) -> None:
    for path in ("/auth/provider", "/auth/provider/callback?state=x&code=y"):
        assert (await client.get(path)).headers["location"] == "/login"
