"""A new e-mail address in the browser: asked for in Settings, confirmed by the mailed link."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from playwright.sync_api import expect

from tests.journeys import steps
from tests.journeys.conftest import EMAIL, PASSWORD, Server, Watched
from tests.journeys.test_people import is_accessible, on_this_host
from tests.smtp_server import SmtpServer

NEW = "ada.new@larkspur.example"


def link_in(inbox: SmtpServer, email: str) -> str:
    """The link that was mailed to an address; messages leave within seconds."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for message in list(inbox.received):
            if message.to == [email] and (found := re.search(r"http\S+/auth/email#\S+",
                                                             message.text)):
                return found[0]
        time.sleep(0.2)
    raise AssertionError("No message came.")


def test_a_new_address_is_confirmed_by_its_link_and_signs_in(
    start_server: Callable[..., Server], open_tab: Callable[..., Watched]
) -> None:
    with SmtpServer() as inbox:
        server = start_server(
            LIFTOS_ADMIN_EMAIL=EMAIL, LIFTOS_ADMIN_PASSWORD=PASSWORD,
            LIFTOS_SMTP_URL=f"smtp://127.0.0.1:{inbox.port}", LIFTOS_MAIL_FROM="l@example.com",
        )
        tab = open_tab(server)
        page = tab.page
        steps.sign_in(page)
        page.goto("/settings")
        page.get_by_label("New e-mail").fill(NEW)
        page.get_by_label("Current password").fill(PASSWORD)
        is_accessible(page)
        page.get_by_role("button", name="Send link").click()
        expect(page.get_by_text("A link is on its way to the new address.")).to_be_visible()
        page.goto(on_this_host(server, link_in(inbox, NEW)))
        expect(steps.heading(page)).to_have_text("Use this e-mail address")
        assert "#" not in page.url
        is_accessible(page)
        page.get_by_role("button", name="Use the new address").click()
        expect(page.get_by_text("E-mail address changed.")).to_be_visible()
        expect(page.locator("main").get_by_text(NEW)).to_be_visible()
        tab.assert_clean()
        other = open_tab(server)
        steps.sign_in(other.page, NEW)
