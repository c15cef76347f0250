"""People in the browser: invite, join, second factor, roles, switching, keys, signing out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, WebSocketRoute, expect
from sqlmodel import select

from liftos_app.db import Database
from liftos_app.models import Membership, Organization, Role, User
from liftos_app.services import totp
from tests.journeys import steps
from tests.journeys.conftest import EMAIL, PASSWORD, Server, Watched, servers_in, tabs_of
from tests.journeys.test_every_page import AXE

NEW = "several unrelated words 77"
Open = Callable[..., Watched]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with servers_in(tmp_path_factory.mktemp("people")) as start:
        yield start(LIFTOS_ADMIN_EMAIL=EMAIL, LIFTOS_ADMIN_PASSWORD=PASSWORD)


@pytest.fixture(scope="module")
def admin(server: Server, browser: Browser) -> Iterator[Watched]:
    """An administrator, signed in."""
    with tabs_of(browser) as opened:
        tab = opened(server)
        steps.sign_in(tab.page)
        yield tab


def on_this_host(server: Server, link: str) -> str:
    return re.sub(r"^http://[^/]+", server.url, link)


def is_accessible(page: Page) -> None:
    found = Axe().run(page, options=AXE).response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"][:3]]) for v in found] == []


def invite(admin: Watched, email: str, role: str) -> str:
    page = admin.page
    page.goto("/settings/people")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Role", exact=True).select_option(role)
    page.get_by_role("button", name="Invite").click()
    expect(steps.heading(page)).to_have_text("Invitation")
    is_accessible(page)
    return page.locator("#once").inner_text()


def test_from_invitation_to_a_new_role(server: Server, admin: Watched, open_tab: Open) -> None:
    link = invite(admin, "ben@larkspur.example", "viewer")
    ben = open_tab(server, width=390)
    ben.page.goto(on_this_host(server, link))
    expect(steps.heading(ben.page)).to_have_text("Join My organization")
    assert "#" not in ben.page.url
    is_accessible(ben.page)
    ben.page.get_by_label("Your name").fill("Ben")
    ben.page.get_by_label("Password").fill(NEW)
    ben.page.get_by_role("button", name="Join").click()
    expect(steps.heading(ben.page)).to_have_text("Overview")
    ben.page.goto("/settings/people")
    expect(ben.page.get_by_text("Your role does not open this page.")).to_be_visible()

    admin.page.goto("/settings/people")
    admin.page.get_by_label("Role of Ben").select_option("analyst")
    expect(admin.page.get_by_text("The role is analyst now.")).to_be_visible()
    ben.page.goto("/connections")  # the new role ended the session
    expect(steps.heading(ben.page)).to_have_text("Sign in")
    steps.sign_in(ben.page, "ben@larkspur.example", NEW)
    admin.assert_clean()


def test_the_sign_in_form_goes_where_its_own_address_says(
    server: Server, open_tab: Open
) -> None:
    page = open_tab(server).page
    page.goto("/login?next=/connections")
    goes_to = page.locator("input[name=next]")
    expect(goes_to).to_have_value("/connections")
    told: list[str] = []

    def tell_the_old_only(socket: WebSocketRoute) -> None:
        """What the tab's last visit left is painted; what this address means comes late."""
        behind = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            if not told:
                socket.send(message)
            if "next_path" in str(message):
                told.append(str(message))

        behind.on_message(pass_on)

    page.route_web_socket(re.compile("/_event"), tell_the_old_only)
    page.goto("/login")
    deadline = time.monotonic() + 20
    while len(told) < 2 and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert "/connections" in told[0]
    assert len(told) > 1, "the address was read in the same message"
    expect(goes_to).to_have_value("")


def test_a_second_factor_from_settings_to_the_next_sign_in(
    server: Server, admin: Watched, open_tab: Open
) -> None:
    link = invite(admin, "chen@larkspur.example", "analyst")
    tab = open_tab(server, dark=True)
    page = tab.page
    page.goto(on_this_host(server, link))
    page.get_by_label("Password").fill(NEW)
    page.get_by_role("button", name="Join").click()
    page.goto("/settings?tab=security")
    page.get_by_role("link", name="Set up a second factor").click()
    expect(steps.heading(page)).to_have_text("Set up a second factor")
    picture = page.get_by_alt_text("QR code for your authenticator app")
    assert picture.evaluate("i => i.naturalWidth") > 100
    is_accessible(page)
    seed = page.locator("#seed").inner_text().replace(" ", "")
    step = totp.step_of(datetime.now(UTC))
    page.get_by_label("Code the app shows").fill(totp.code_at(seed, step))
    page.get_by_role("button", name="Confirm").click()
    expect(steps.heading(page)).to_have_text("Recovery codes")
    is_accessible(page)
    recovery = page.locator("#codes").inner_text().split()
    assert len(recovery) == 10
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("recovery codes are left")).to_contain_text("10")
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(steps.heading(page)).to_have_text("Sign in")
    page.get_by_label("E-mail").fill("chen@larkspur.example")
    page.get_by_label("Password").fill(NEW)
    page.get_by_role("button", name="Sign in").click()
    expect(steps.heading(page)).to_have_text("Second step")
    is_accessible(page)
    page.get_by_label("Code").fill(recovery[0])
    page.get_by_role("button", name="Sign in").click()
    expect(steps.heading(page)).to_have_text("Overview")
    page.goto("/settings?tab=security")
    expect(page.get_by_text("recovery codes are left")).to_contain_text("9")
    tab.assert_clean()


def test_a_key_made_in_settings_opens_the_api_until_it_is_revoked(
    server: Server, admin: Watched
) -> None:
    page = admin.page
    page.goto("/settings?tab=keys")
    page.get_by_label("Name").fill("Nightly report")
    page.get_by_role("button", name="Make key").click()
    expect(steps.heading(page)).to_have_text("Your new API key")
    is_accessible(page)
    key = page.locator("#once").inner_text()

    def ask() -> int:
        return httpx.get(
            f"{server.url}/api/v1/platform-connections/connections", trust_env=False,
            headers={"Authorization": f"Bearer {key}"},
        ).status_code

    assert ask() == 200
    page.get_by_role("link", name="I have copied it").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The key was revoked.")).to_be_visible()
    assert ask() == 401


def test_switching_shows_the_other_organization_and_nothing_of_the_first(
    server: Server, admin: Watched
) -> None:
    database = Database(f"sqlite:///{server.home / 'liftos.db'}")
    with database.write() as session:
        other = Organization(name="Brightwater Outdoor", created_at=datetime.now(UTC))
        user = session.exec(select(User).where(User.email_key == EMAIL)).one()
        session.add(other)
        session.flush()
        session.add(Membership(org_id=other.id or 0, user_id=user.id, role=Role.ADMIN,
                               created_at=datetime.now(UTC)))
    database.close()
    page = admin.page
    page.goto("/")
    page.get_by_role("button", name="Organization: My organization").click()
    is_accessible(page)
    page.get_by_role("button", name="Brightwater Outdoor").click()
    expect(page.get_by_role("button", name="Organization: Brightwater Outdoor")).to_be_visible()
    page.goto("/settings/people")
    expect(page.get_by_text("1 person")).to_be_visible()
    assert "ben@larkspur.example" not in page.content()
    page.get_by_role("button", name="Organization: Brightwater Outdoor").click()
    page.get_by_role("button", name="My organization", exact=False).last.click()
    expect(page.get_by_role("button", name="Organization: My organization")).to_be_visible()
    admin.assert_clean()
