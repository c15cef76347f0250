"""Where requests go: real hosts, the sandbox, an operator's address."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from liftos_app.config import Settings
from liftos_app.errors import Fix, GiveUp, Invalid
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.addresses import resolve

Make = Callable[..., Settings]
SHOP = {"shop": "kite-demo.myshopify.com"}


def test_real_hosts_by_default(make_settings: Make) -> None:
    found = resolve(registry.get("meta_business"), make_settings(), demo=False, inputs={})
    assert found.url("api", "/v26.0/me") == "https://graph.facebook.com/v26.0/me"
    assert found.browser("https://www.facebook.com/v26.0/dialog/oauth").startswith(
        "https://www.facebook.com/"
    )
    assert not found.guarded


def test_demo_goes_to_our_own_sandbox_with_the_path_kept(make_settings: Make) -> None:
    settings = make_settings(PORT="8123", LIFTOS_PUBLIC_URL="https://lift.example")
    found = resolve(registry.get("google_ads"), settings, demo=True, inputs={})
    base = "http://127.0.0.1:8123/sandbox/google_ads"
    assert found.url("api", "/v26/x") == f"{base}/v26/x"
    assert found.server("https://oauth2.googleapis.com/token") == f"{base}/token"
    assert found.browser("https://accounts.google.com/o/oauth2/v2/auth") == (
        "https://lift.example/sandbox/google_ads/o/oauth2/v2/auth"
    )


def test_the_persons_own_origin_is_used_for_the_browser(make_settings: Make) -> None:
    found = resolve(
        registry.get("klaviyo"), make_settings(), demo=True, inputs={},
        origin="http://localhost:8000",
    )
    assert found.browser("https://www.klaviyo.com/oauth/authorize") == (
        "http://localhost:8000/sandbox/klaviyo/oauth/authorize"
    )


def test_a_shop_is_part_of_the_sandbox_path(make_settings: Make) -> None:
    found = resolve(registry.get("shopify"), make_settings(), demo=True, inputs=SHOP)
    assert found.url("api", "/admin/x") == (
        "http://127.0.0.1:8000/sandbox/shopify/kite-demo.myshopify.com/admin/x"
    )
    assert found.server("https://{shop}/admin/oauth/access_token").endswith(
        "/kite-demo.myshopify.com/admin/oauth/access_token"
    )


@pytest.mark.parametrize("demo", [True, False])
def test_an_operators_address_wins_in_every_mode(make_settings: Make, *, demo: bool) -> None:
    settings = make_settings(
        LIFTOS_BASE_URL_SHOPIFY="http://127.0.0.1:9000/fake/{shop}",
        LIFTOS_BASE_URL_META_BUSINESS="http://127.0.0.1:9001",
    )
    shop = resolve(registry.get("shopify"), settings, demo=demo, inputs=SHOP)
    assert shop.url("api", "/admin/x") == (
        "http://127.0.0.1:9000/fake/kite-demo.myshopify.com/admin/x"
    )
    meta = resolve(registry.get("meta_business"), settings, demo=demo, inputs={})
    assert meta.browser("https://www.facebook.com/v26.0/dialog/oauth") == (
        "http://127.0.0.1:9001/v26.0/dialog/oauth"
    )
    assert meta.server("https://graph.facebook.com/v26.0/oauth/access_token").startswith(
        "http://127.0.0.1:9001/v26.0/"
    )


@pytest.mark.parametrize("shop", [
    "", "kite-demo", "evil.example", "kite-demo.myshopify.com.evil.example",
    "kite-demo.myshopify.com/..", "kite-demo.myshopify.com@evil.example", "-x.myshopify.com",
    "a/b.myshopify.com", "127.0.0.1", "kite_demo.myshopify.com", "x.myshopify.com#",
    "x.myshopify.com:22", "%2e.myshopify.com", "kite-demo.myshopify.com\n",
])
def test_L50_only_shop_hosts_become_a_host(make_settings: Make, shop: str) -> None:
    if shop.endswith("\n"):  # outer spaces are taken off
        resolve(registry.get("shopify"), make_settings(), demo=False, inputs={"shop": shop})
        return
    with pytest.raises(Invalid) as caught:
        resolve(registry.get("shopify"), make_settings(), demo=False, inputs={"shop": shop})
    assert caught.value.facts["field"] == "shop"


def test_L50_L65_a_shop_named_by_a_person_is_guarded(make_settings: Make) -> None:
    found = resolve(registry.get("shopify"), make_settings(), demo=False, inputs=SHOP)
    assert found.guarded
    assert found.url("api", "/x") == "https://kite-demo.myshopify.com/x"


def test_L50_links_are_moved_to_our_base_and_foreign_ones_refused(make_settings: Make) -> None:
    found = resolve(registry.get("klaviyo"), make_settings(), demo=True, inputs={})
    base = "http://127.0.0.1:8000/sandbox/klaviyo"
    assert found.follow(f"{base}/api/x?a=1") == f"{base}/api/x?a=1"
    assert found.follow("https://a.klaviyo.com/api/x?a=1") == f"{base}/api/x?a=1"
    assert found.follow("/api/x") == f"{base}/api/x"
    for foreign in ("http://127.0.0.1:8000/api/v1/x", "http://127.0.0.1:8000/sandbox/klaviyo2/x",
                    "http://127.0.0.1:8001/sandbox/klaviyo/x", "//evil.example/x",
                    "http://127.0.0.1:8000/sandbox/klaviyo@evil.example/"):
        with pytest.raises(GiveUp):
            found.follow(foreign)


def test_prepared_files_may_lie_elsewhere_but_only_on_the_open_web(make_settings: Make) -> None:
    found = resolve(registry.get("shopify"), make_settings(), demo=False, inputs=SHOP)
    assert found.download("https://storage.example.com/x?sig=1") == (
        "https://storage.example.com/x?sig=1", False,
    )
    for bad in ("http://storage.example.com/x", "https://user@storage.example.com/"):
        with pytest.raises(Fix):
            found.download(bad)
    demo = resolve(registry.get("shopify"), make_settings(), demo=True, inputs=SHOP)
    own = "http://127.0.0.1:8000/sandbox/shopify/kite-demo.myshopify.com/files/1.jsonl"
    assert demo.download(own) == (own, True)


NAMED = {"login_host": "login.salesforce.com", "instance": "kite.my.salesforce.com"}


def test_a_host_that_sign_in_names_is_called_and_becomes_a_part_of_the_sandbox_path(
    make_settings: Make,
) -> None:
    sales = registry.get("salesforce")
    real = resolve(sales, make_settings(), demo=False, inputs=NAMED)
    assert real.guarded
    assert real.url("api", "/x") == "https://kite.my.salesforce.com/x"
    demo = resolve(sales, make_settings(), demo=True, inputs=NAMED)
    base = "http://127.0.0.1:8000/sandbox/salesforce"
    assert demo.url("api", "/x") == f"{base}/kite.my.salesforce.com/x"
    assert demo.server("https://{login_host}/services/oauth2/token") == (
        f"{base}/login.salesforce.com/services/oauth2/token"
    )
    assert demo.follow("/y") == f"{base}/kite.my.salesforce.com/y"
    assert demo.follow("https://kite.my.salesforce.com/y") == f"{base}/kite.my.salesforce.com/y"
    with pytest.raises(GiveUp):
        demo.follow("https://evil.my.salesforce.com/y")


def test_a_host_is_read_from_a_real_origin_or_one_below_the_base(make_settings: Make) -> None:
    demo = resolve(registry.get("salesforce"), make_settings(), demo=True, inputs=NAMED)
    assert demo.host_of("https://kite.my.salesforce.com/") == "kite.my.salesforce.com"
    assert demo.host_of("http://127.0.0.1:8000/sandbox/salesforce/a.b") == "a.b"
    assert demo.host_of("http://127.0.0.1:8000/sandbox/other/a.b") == ""
    assert demo.host_of("http://kite.my.salesforce.com") == ""


@pytest.mark.parametrize(("name", "value"), [
    ("login_host", "evil.example"), ("login_host", ""), ("login_host", "login.salesforce.com@x"),
    ("instance", "evil.example"), ("instance", "kite.my.salesforce.com.evil.example"),
    ("instance", "127.0.0.1"),
])
def test_L50_only_the_platforms_hosts_become_a_host(
    make_settings: Make, name: str, value: str
) -> None:
    with pytest.raises(Invalid) as caught:
        resolve(
            registry.get("salesforce"), make_settings(), demo=False, inputs={**NAMED, name: value}
        )
    assert caught.value.facts["field"] == name
    assert caught.value.fix
