"""Every signed-in page, empty and filled: light and dark, wide and narrow, and who may do what."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

import liftos_app.pages  # noqa: F401  (fills PAGES)
from liftos_app.db import Database
from liftos_app.models import Connection, Membership, Organization, Role, User
from liftos_app.pages._page import PAGES
from liftos_app.services import access, passwords
from liftos_app.services.connectors import registry
from tests.journeys import steps
from tests.journeys.conftest import EMAIL, PASSWORD, Server, Tour, Watched, servers_in, tabs_of

AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
TABS = {
    "/connections/[connection_id]": ("?tab=runs", "?tab=log", "?tab=settings"),
    "/settings": ("?tab=security", "?tab=keys", "?tab=organization", "?tab=about"),
    "/connections/new": ("?category=CRM", "?platform=google_ads", "?platform=generic_http"),
}
ROUTES = [route + tab for route in PAGES for tab in ("", *TABS.get(route, ()))]


@pytest.fixture(scope="module")
def watched_tour(tour: Tour, browser: Browser) -> Iterator[Watched]:
    """A signed-in tab before an installation full of figures."""
    with tabs_of(browser) as opened:
        tab = opened(tour.server)
        steps.sign_in(tab.page)
        yield tab


@pytest.fixture(scope="module")
def watched_empty(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """A signed-in tab before an installation without a connection."""
    with servers_in(tmp_path_factory.mktemp("empty")) as start, tabs_of(browser) as opened:
        tab = opened(start(LIFTOS_ADMIN_EMAIL=EMAIL, LIFTOS_ADMIN_PASSWORD=PASSWORD))
        steps.sign_in(tab.page)
        yield tab


def violations(page: Page) -> list[str]:
    """WCAG A and AA findings of axe-core, each with the parts of the page it is about."""
    found = Axe().run(page, options=AXE).response["violations"]
    return [f"{v['id']}: {[n['target'] for n in v['nodes'][:4]]}" for v in found]


def faults_of(
    tab: Watched, address: str, shot: Callable[[Page, str], Path], name: str
) -> list[str]:
    """What is wrong with a page in both themes and widths."""
    page, wrong = tab.page, []
    tab.errors.clear()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.goto(address)
    expect(page.locator("html")).to_have_class(re.compile("light"))
    wait_until_drawn(page)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        expect(page.locator("html")).to_have_class(re.compile(theme))
        for width, height in ((1280, 900), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            where = f"{theme} {width}"
            ones = page.locator("h1:visible").all_inner_texts()
            if len(ones) != 1:
                wrong.append(f"{where}: {len(ones)} h1: {ones}")
            try:  # a chart takes a moment to follow a change of width
                expect(page.locator("html")).to_have_js_property("scrollWidth", width, timeout=3000)
            except AssertionError:
                over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
                wrong.append(f"{where}: scrolls sideways by {over} px")
            wrong += [f"{where}: {v}" for v in violations(page)]
            shot(page, f"{name}-{theme}-{width}")
    return wrong + tab.errors + tab.foreign


def wait_until_drawn(page: Page) -> None:
    """The page's own content stands there: its title, and nothing that says loading."""
    expect(page.get_by_role("main").get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".lo-skel")).to_have_count(0)


def address_of(route: str, connection_id: str) -> str:
    """The address of a route of this installation."""
    return route.replace("[connection_id]", connection_id)


def named(route: str) -> str:
    """A file name for a route."""
    return re.sub(r"[^a-z_]+", "-", route).strip("-") or "overview"


def first_connection(server: Server) -> str:
    """The id of a connection, as addresses write it."""
    from sqlmodel import select

    database = Database(f"sqlite:///{server.home / 'liftos.db'}")
    with database.read() as session:
        found = session.exec(select(Connection.id).order_by(Connection.name)).first()
    database.close()
    return str(found)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("route", ROUTES)
def test_L97_a_filled_page_is_sound_in_both_themes_and_widths(
    route: str, tour: Tour, watched_tour: Watched, shot: Callable[[Page, str], Path]
) -> None:
    address = address_of(route, first_connection(tour.server))
    assert faults_of(watched_tour, address, shot, f"filled-{named(route)}") == []


@pytest.mark.parametrize("route", list(PAGES))
def test_L97_an_empty_page_is_sound_in_both_themes_and_widths(
    route: str, watched_empty: Watched, shot: Callable[[Page, str], Path]
) -> None:
    address = address_of(route, "6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
    assert faults_of(watched_empty, address, shot, f"empty-{named(route)}") == []


def test_L97_the_pages_of_a_signed_out_visitor_are_sound(
    watched_empty: Watched, open_tab: Callable[..., Watched], shot: Callable[[Page, str], Path]
) -> None:
    server_url = watched_empty.page.url.split("/", 3)[:3]
    tab = open_tab(Server(port=int(server_url[2].split(":")[1]), home=Path(), env={}))
    for address, name in (("/login", "login"), ("/no-such-page", "not-found")):
        wrong = faults_of(tab, address, shot, name)
        assert [w for w in wrong if "status of 404" not in w] == []


@dataclass(frozen=True)
class Member:
    """Somebody with a role in the toured organization."""

    email: str
    role: Role


@pytest.fixture(scope="module")
def member(tour: Tour) -> Callable[[Role], Member]:
    """Add a person with a role to the toured installation, behind the running server's back."""

    def add(role: Role) -> Member:
        from sqlmodel import select

        found = Member(f"{role.value}@larkspur.example", role)
        database = Database(f"sqlite:///{tour.server.home / 'liftos.db'}")
        with database.write() as session:
            org = session.exec(select(Organization)).one()
            user = User(
                email=found.email, email_key=found.email, name=role.value.title(),
                password_hash=passwords.make_hash(PASSWORD), created_at=org.created_at,
            )
            session.add(user)
            session.flush()
            session.add(Membership(
                org_id=org.id or 0, user_id=user.id, role=role, created_at=org.created_at
            ))
        database.close()
        return found

    return add


WRITING = re.compile(
    "^(Add connection|Run sync now|Retry now|Stop sync|Pause|Resume|Sign in again|Choose accounts|"
    "Streams and schedule|Delete connection|Preview|Save|Remove demo data|Look around|"
    "Finish set-up|Look around with demo data|Connect what is missing|"
    "Connect your own platform|Run checks)$"
)


def writing_actions(page: Page) -> list[str]:
    """Buttons and links that change something and can be pressed, menus opened."""
    menus = page.get_by_role("main").locator("button[popovertarget]:not(.lo-menu-item)")
    found: list[str] = []
    for opener in (None, *menus.all()):
        if opener is not None:
            opener.click()
        for role in ("button", "link"):
            for part in page.get_by_role("main").get_by_role(role, name=WRITING).all():
                if part.is_enabled():
                    found.append(part.inner_text())
        if opener is not None:
            page.keyboard.press("Escape")
    return found


@pytest.mark.timeout(400)
def test_a_viewer_sees_everything_and_is_offered_no_writing_action(
    tour: Tour, member: Callable[[Role], Member], open_tab: Callable[..., Watched]
) -> None:
    viewer = member(Role.VIEWER)
    tab = open_tab(tour.server)
    page = tab.page
    steps.sign_in(page, viewer.email)
    offered: dict[str, Any] = {}
    for route in ROUTES:
        info = PAGES[route.partition("?")[0]]
        page.goto(address_of(route, first_connection(tour.server)))
        wait_until_drawn(page)
        if access.allows(Role.VIEWER, info.allow):
            expect(page.get_by_text("Your role does not open this page.")).to_have_count(0)
            offered[route] = writing_actions(page)
        else:
            expect(page.get_by_text("Your role does not open this page.")).to_be_visible()
            expect(page.locator(".lo-notice")).to_have_count(0)  # said once, in the page
    assert {route: found for route, found in offered.items() if found} == {}
    tab.assert_clean()


@pytest.mark.timeout(400)
def test_the_same_look_finds_what_an_administrator_is_offered(watched_tour: Watched) -> None:
    page = watched_tour.page
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("/connections")
    wait_until_drawn(page)
    found = writing_actions(page)
    assert found.count("Run sync now") == len(registry.all_platforms())
    assert found.count("Pause") == len(registry.all_platforms())
    assert "Add connection" in found
