"""What a person does, as functions: set up, look around, connect a platform, read the Overview."""

from __future__ import annotations

import datetime as dt
import json
import re
import urllib.request
from typing import Any

from playwright.sync_api import Locator, Page, expect

from liftos_app import config
from liftos_app.services.vault import Vault
from tests.journeys.conftest import EMAIL, PASSWORD, Server

ORGANIZATION = "Larkspur Home"
PATIENCE = 180_000  # milliseconds for a first sync on a busy machine
_DAYS = re.compile(r"^[\d,]+ of [\d,]+ days?$")


def heading(page: Page) -> Locator:
    """The one h1."""
    return page.get_by_role("heading", level=1)


def set_up(page: Page) -> None:
    """First run: whoever comes first becomes the administrator."""
    page.goto("/")
    expect(heading(page)).to_have_text("Set up LiftOS")
    page.get_by_label("Organization").fill(ORGANIZATION)
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create administrator").click()
    expect(heading(page)).to_have_text("Welcome to LiftOS")


def sign_in(page: Page, email: str = EMAIL, password: str = PASSWORD) -> None:
    """The sign-in page, then Overview."""
    page.goto("/login")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(heading(page)).to_have_text("Overview")


def look_around(page: Page, seen: list[str]) -> None:
    """Press the button and watch until the first syncs have ended; `seen` gets what was painted."""
    page.get_by_role("button", name="Look around").click()
    syncs = page.locator("section", has=page.get_by_role("heading", name="First syncs"))
    expect(syncs.get_by_text("Syncing").or_(syncs.get_by_text("Running")).first).to_be_visible()
    seen.append(syncs.inner_text())
    expect(page.get_by_role("link", name="Open Overview")).to_be_visible(timeout=PATIENCE)
    seen.append(syncs.inner_text())
    page.get_by_role("link", name="Open Overview").click()
    expect(heading(page)).to_have_text("Overview")
    expect(page.get_by_role("heading", name="By channel")).to_be_visible()


def open_sign_in(page: Page, platform: str, *, method: str) -> None:
    """The wizard's first step: a platform from the catalogue, and a way to sign in."""
    page.goto("/connections/new")
    page.get_by_role("main").get_by_role("link", name=re.compile(f"^.?{platform}")).click()
    expect(heading(page)).to_have_text(f"Connect {platform}")
    page.locator(f"input[name=method][value={method}]").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name="Fill in sandbox credentials")).to_be_visible()


def fill_in(page: Page) -> None:
    """The sandbox's own credentials, in every field that needs one."""
    page.get_by_role("button", name="Fill in sandbox credentials").click()
    for box in page.locator("form input[required]").all():
        expect(box).not_to_have_value("")


def fill_in_credentials(page: Page, platform: str, *, method: str) -> None:
    """The wizard's first two steps, up to the button that signs in."""
    open_sign_in(page, platform, method=method)
    fill_in(page)


def consent(page: Page, platform: str) -> None:
    """Go to the platform's page and allow it."""
    page.get_by_role("button", name=f"Continue to {platform}").click()
    expect(heading(page)).to_have_text(
        re.compile(f"^Let LiftOS read your {platform.split(maxsplit=1)[0]}.* data")
    )
    page.get_by_role("button", name="Allow").click()


def choose_accounts(page: Page) -> None:
    """Step three: all accounts."""
    expect(page.get_by_role("heading", name="Accounts")).to_be_visible()
    page.get_by_role("button", name="Tick all").click()
    expect(page.locator("main input[type=checkbox]:not(:disabled):not(:checked)")).to_have_count(0)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="History")).to_be_visible()


def choose_and_plan(page: Page, *, days: int = 90) -> None:
    """Steps three and four: all accounts, so many days."""
    choose_accounts(page)
    plan(page, days=days)


def plan(page: Page, *, days: int) -> None:
    """Step four: how far back."""
    page.locator(f"input[name=history][value='{days}']").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Summary")).to_be_visible()


def start_first_sync(page: Page) -> None:
    """Step five: the live test, then the sync; returns once its progress is on screen."""
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_role("heading", name="Live test")).to_be_visible()
    page.get_by_role("button", name="Start first sync").click()
    expect(progress_bar(page)).to_be_visible()


def progress_bar(page: Page) -> Locator:
    """The bar of the sync on this page."""
    return page.get_by_role("progressbar", name="Sync progress")


def days_done(page: Page) -> Locator:
    """The words beside the bar: "12 of 93 days"."""
    return page.get_by_text(_DAYS)


def wait_until_synced(page: Page) -> None:
    """The first sync on this page has ended well."""
    ended = page.locator("section", has=page.get_by_role("heading", name="First sync, ended"))
    expect(ended).to_be_visible(timeout=PATIENCE)
    expect(ended.get_by_text("Succeeded").first).to_be_visible()


def overview_of(page: Page, start: dt.date, end: dt.date) -> list[tuple[str, str, str]]:
    """Open Overview on two days and read the chart's own table: day, spend, revenue."""
    page.goto(f"/?range=custom&start={start}&end={end}&compare=none")
    expect(heading(page)).to_have_text("Overview")
    toggle = page.get_by_role("button", name=re.compile("^View as (table|chart)$"))
    expect(toggle).to_be_visible()
    if toggle.inner_text() == "View as table":
        toggle.click()
    table = page.get_by_role("region", name="Spend and revenue by day").get_by_role("table")
    lines = table.locator("tbody tr")
    expect(lines).to_have_count((end - start).days + 1)
    expect(lines.first.locator("td").first).to_have_text(re.compile(rf"^{end.day} {end:%b}"))
    rows = [row.locator("td").all_inner_texts() for row in lines.all()]
    return [(cells[0], cells[1], cells[2]) for cells in rows]


def tile(page: Page, label: str) -> Locator:
    """The value of a key figure."""
    name = page.get_by_role("heading", name=label, exact=True)
    return page.get_by_role("article").filter(has=name).locator("p").first


def control(server: Server, method: str, path: str, **body: Any) -> Any:
    """The sandbox's control API, with the token that only this installation's secrets give."""
    settings = config.load(server.env)
    token = Vault(settings.master_keys).token_hash("sandbox control")
    request = urllib.request.Request(
        f"{server.url}/sandbox/control/{path}", method=method, data=json.dumps(body).encode(),
        headers={"authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
