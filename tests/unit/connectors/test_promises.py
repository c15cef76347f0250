"""What every platform's sign-in keeps to, whichever it is: grants, PKCE, permissions, hosts."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from liftos_app.config import ROOT, Settings
from liftos_app.errors import Invalid
from liftos_app.services.connectors import grants, registry
from liftos_app.services.connectors.addresses import WHOLE, resolve
from liftos_app.services.connectors.spec import AuthMethod, Platform

Make = Callable[..., Settings]
HOSTS = {
    "shop": "kite-demo.myshopify.com", "login_host": "login.salesforce.com",
    "instance": "kite.my.salesforce.com", "workspace": "dbc-a1b2345c-d6e7.cloud.databricks.com",
    "account": "myorg-account123", "accounts_host": "accounts.zoho.com",
    "data_host": "www.zohoapis.com",
}
CONSENTS = [
    (p, m) for p in registry.all_platforms() for m in p.auth if m.oauth and m.oauth.authorize_url
]
PARTS = [
    (p, name) for p in registry.all_platforms() for name in sorted({
        n for host in p.hosts.values() if host != WHOLE for n in re.findall(r"\{(\w+)\}", host)
    })
]
VERIFIER = "v" * 43


def named(one: Platform | AuthMethod | str) -> str:
    """How a case is called."""
    return one if isinstance(one, str) else getattr(one, "slug", "") or getattr(one, "id", "")


def consent(platform: Platform, method: AuthMethod, settings: Settings) -> dict[str, list[str]]:
    """The query of a consent page."""
    address = grants.authorize_url(
        platform, method, resolve(platform, settings, demo=False, inputs=HOSTS),
        {"client_id": "7012345678901234567", **HOSTS}, state="s" * 43,
        redirect_uri="https://lift.example/oauth/callback/x", verifier=VERIFIER,
    )
    return parse_qs(urlsplit(address).query)


@pytest.mark.parametrize(("platform", "method"), CONSENTS, ids=named)
def test_L44_consent_is_the_code_flow_with_pkce_or_a_reason_why_not(
    platform: Platform, method: AuthMethod, make_settings: Make
) -> None:
    assert method.oauth is not None
    sent = consent(platform, method, make_settings())
    if method.oauth.consent is None:  # TikTok's own kind gives a code too, and names no type
        assert sent["response_type"] == ["code"]
    assert ("code_challenge" in sent) is method.oauth.pkce
    if method.oauth.pkce:
        assert sent["code_challenge_method"] == ["S256"]
        assert VERIFIER not in sent["code_challenge"][0]
    else:
        assert method.oauth.without_pkce.endswith(".")
    assert not {"client_secret", "token"} & set(sent)


def test_L44_no_other_grant_is_ever_asked_for() -> None:
    """No implicit flow, no password grant."""
    asked = set()
    for path in sorted((ROOT / "liftos_app/services/connectors").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                asked |= {ast.unparse(k.value) for k in node.keywords if k.arg == "grant_type"}
            elif isinstance(node, ast.Dict):
                asked |= {
                    ast.unparse(value) for key, value in zip(node.keys, node.values, strict=True)
                    if isinstance(key, ast.Constant) and key.value == "grant_type"
                }
    assert {"'authorization_code'", "'client_credentials'"} <= asked
    assert asked <= {
        "'authorization_code'", "'client_credentials'", "'refresh_token'", "'fb_exchange_token'",
    }


WIDER = {  # no smaller permission exists there; their `reason` or `without` tells people
    ("google_ads", "https://www.googleapis.com/auth/adwords"),
}
WRITES = re.compile(r"write|manage|admin|modify|edit|create|delete|\ball\b", re.IGNORECASE)


def test_L49_only_reading_permissions_are_asked_for() -> None:
    scopes = [(p, s) for p in registry.all_platforms() for s in p.scopes]
    assert {(p.slug, s.name) for p, s in scopes if not s.read_only} == WIDER
    assert [s.name for _, s in scopes if WRITES.search(s.name)] == []
    for platform, scope in scopes:
        assert scope.reason.endswith("."), (platform.slug, scope.name)
        assert scope.without or not scope.required, (platform.slug, scope.name)


@pytest.mark.parametrize(("platform", "method"), CONSENTS, ids=named)
def test_L49_the_consent_page_asks_for_the_listed_permissions_and_no_more(
    platform: Platform, method: AuthMethod, make_settings: Make
) -> None:
    sent = consent(platform, method, make_settings())
    asked = {s for name in ("scope", "optional_scope") for text in sent.get(name, [])
             for s in re.split(r"[ ,]", text) if s}
    assert asked <= {s.name for s in platform.scopes}


@pytest.mark.parametrize("platform", registry.all_platforms(), ids=lambda p: p.slug)
def test_L50_every_address_of_a_platform_is_https_on_one_of_its_hosts(platform: Platform) -> None:
    if WHOLE in platform.hosts.values():  # a person types the host: it goes through the guard
        return
    for method in platform.auth:
        for one in (method.oauth, method.oauth1):
            for name in ("authorize_url", "token_url", "revoke_url", "request_url", "access_url"):
                address = getattr(one, name, "") or ""
                if address:
                    origin = "/".join(address.split("/")[:3])
                    assert origin in platform.hosts.values(), (platform.slug, name, origin)
    assert all(host.startswith("https://") for host in platform.hosts.values())


@pytest.mark.parametrize("value", [
    "evil.example", "x@evil.example", "evil.example/", "evil.example#", "evil.example?",
    "127.0.0.1", "[::1]", "a\\b", "a b", "a%2eb", "x.evil.example:22", "..", "a/../b",
])
@pytest.mark.parametrize(("platform", "name"), PARTS, ids=named)
def test_L50_no_part_of_a_host_leads_elsewhere(
    platform: Platform, name: str, value: str, make_settings: Make
) -> None:
    resolve(platform, make_settings(), demo=False, inputs=HOSTS)
    try:
        found = resolve(platform, make_settings(), demo=False, inputs={**HOSTS, name: value})
    except Invalid:
        return
    for role, template in platform.hosts.items():  # a part below a fixed name, such as a.b.fixed
        fixed = template.partition(f"{{{name}}}")[2]
        assert re.fullmatch(r"(\.[a-z0-9-]+){2,}", fixed), f"{value} became a host"
        assert re.fullmatch(rf"https://[a-z0-9.-]+{re.escape(fixed)}", found.hosts[role])


def test_L44_the_reasons_stand_where_people_read_them() -> None:
    for platform, method in CONSENTS:
        assert method.oauth is not None
        page = Path(ROOT / "docs" / "platforms" / f"{platform.slug}.md").read_text("utf-8")
        assert method.oauth.pkce or method.oauth.without_pkce in page, platform.slug
