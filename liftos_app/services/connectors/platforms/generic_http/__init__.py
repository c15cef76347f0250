"""A legacy system of one's own: an address that answers JSON or CSV, with streams a person defines.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from liftos_app.services.connectors.client import Client
from liftos_app.services.connectors.platforms.generic_http.errors import NAME, fault, pace
from liftos_app.services.connectors.platforms.generic_http.signin import (
    BASIC,
    BEARER,
    HEADER,
    NONE,
    authorize,
)
from liftos_app.services.connectors.platforms.generic_http.source import INPUTS
from liftos_app.services.connectors.platforms.generic_http.streams import define, preview
from liftos_app.services.connectors.platforms.generic_http.version import VERSION
from liftos_app.services.connectors.spec import AccountInfo, Platform, Prerequisite


def discover(client: Client) -> Sequence[AccountInfo]:
    """The system itself is the one account; asking its address proves the sign-in."""
    client.get("", raw=True)
    host = urlsplit(client.addresses.hosts["api"]).netloc
    return [AccountInfo(external_id=host, name=host, status="active")]


def test(client: Client, account: AccountInfo) -> str:
    """One request to the system's address."""
    answer = client.get("", raw=True)
    return f"{account.name} answers with status {answer.status} and accepts the sign-in."


PLATFORM = Platform(
    slug="generic_http",
    name="HTTP source",
    category="Other",
    tier=4,
    summary="Any system that answers JSON or CSV: choose columns, no programming.",
    hosts={"api": "{base_url}"},
    api_version=VERSION,
    version_ends=None,
    auth=(BASIC, BEARER, HEADER, NONE),
    scopes=(),
    streams=(),
    prerequisites=(
        Prerequisite(
            text="The address of an export or list that brings daily figures, orders or deals.",
            who="your platform admin",
        ),
        Prerequisite(text="A user, token or key that may only read it.", who="your platform admin"),
        Prerequisite(
            text="For an address inside your own network: the operator opens it with SSRF_ALLOW.",
            who="your platform admin",
        ),
    ),
    setup_minutes=(10, 15),
    needs_app=False,
    history="as far as the system answers",
    latency="as the system exports",
    role_needed="A user that may read the exports",
    docs_url="https://www.rfc-editor.org/rfc/rfc7617",
    requests_per_minute=120,
    concurrency=1,
    never=(
        "We never send anything but the requests you define.",
        "Columns that you do not map are not stored; people are kept as keyed hashes.",
        "We never follow a redirect to another server.",
    ),
    discover=discover,
    test=test,
    fault=fault,
    authorize=authorize,
    pace=pace,
    define=define,
    preview=preview,
    stream_inputs=INPUTS,
    demo_inputs={"base_url": "https://erp.larkspur-home.example"},
)

__all__ = ["NAME", "PLATFORM"]
