"""The guard: no address that a person or a platform named leads into a private network."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator, Sequence

import httpcore
import httpx
import pytest

from liftos_app.errors import Fix, PlatformFault
from liftos_app.services.connectors import net, wire
from liftos_app.services.connectors.wire import Request

HOSTILE_URLS = [
    "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
    "//example.com/", "example.com", "", "https://", "https:///path", "https://user@example.com/",
    "https://user:pw@example.com/", "https://example.com@10.0.0.1/", "https://@example.com/",
    "https://example.com/#frag", "https://example.com:22/", "https://example.com:6379/",
    "https://example.com:0/", "https://example.com:99999/", "https://example.com:x/",
    "https://example.com./", "https://exa mple.com/", "https://example.com/\r\nX: y",
    "https://example.com\\@evil.example/", "https://[fe80::1%25eth0]/", "https://[::1%lo]/",
    "https://" + "a" * 254 + ".com/", "https://ex\u0430mple.com/", "https://\u2460.example/",
    "https://example\u3002com/", "https://[::1", "https://example.com\t/",
]
PRIVATE = [
    "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.1", "198.18.0.1", "::1",
    "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:0:1::1", "fe80::1%eth0",
    "2001:db8::1", "not-an-address", "",
]


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_addresses_of_the_wrong_form_are_refused(url: str) -> None:
    with pytest.raises(Fix, match="not called"):
        net.check_url(url)


def test_ordinary_addresses_pass() -> None:
    net.check_url("https://storage.example.com/bulk-1.jsonl?Expires=1")
    net.check_url("https://example.com:8443/x")
    net.check_url("http://intern.example:8080/x", allow={"intern.example:8080"})


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_carrying_addresses_are_not_public(address: str) -> None:
    assert not net.is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946",
                                     "::ffff:93.184.216.34"])
def test_public_addresses_are_public(address: str) -> None:
    assert net.is_public(address)


class Counting(http.server.BaseHTTPRequestHandler):
    """Counts what reaches loopback."""

    hits: list[str] = []

    def do_GET(self) -> None:
        self.hits.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def loopback() -> Iterator[int]:
    Counting.hits.clear()
    server = http.server.HTTPServer(("127.0.0.1", 0), Counting)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def _ask(url: str, resolver: net.Resolver, **more: object) -> None:
    http_ = net.open_http(guarded=True, resolver=resolver, **more)  # type: ignore[arg-type]
    try:
        wire.fetch(http_, Request("GET", url, [], {}), name="Test")
    finally:
        http_.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "0x7f000001", "2130706433"])
def test_no_byte_reaches_loopback(loopback: int, host: str) -> None:
    with pytest.raises(PlatformFault):
        _ask(f"http://{host}:{loopback}/", net.resolve)
    assert Counting.hits == []


def test_one_private_address_among_public_ones_is_enough(loopback: int) -> None:
    with pytest.raises(Fix, match="not called"):
        _ask(f"http://two.example:{loopback}/", lambda *_: ["93.184.216.34", "127.0.0.1"])
    assert Counting.hits == []


def test_a_name_is_resolved_once_and_the_judged_address_is_called(
    loopback: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    called: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    def connect(self: object, host: str, *_: object, **__: object) -> object:
        called.append(host)
        raise httpcore.ConnectError("no route in a test")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    with pytest.raises(PlatformFault):
        _ask(f"http://rebind.example:{loopback}/", rebinding)
    assert asked == ["rebind.example"]
    assert called == ["93.184.216.34"]
    assert Counting.hits == []


def test_an_operator_may_open_one_internal_address(loopback: int) -> None:
    _ask_allowed = net.open_http(guarded=True, allow={f"127.0.0.1:{loopback}"})
    raw = wire.fetch(
        _ask_allowed, Request("GET", f"http://127.0.0.1:{loopback}/ok", [], {}), name="Test"
    )
    _ask_allowed.close()
    assert raw.status == 200
    assert Counting.hits == ["/ok"]


def test_L66_the_environment_changes_nothing(
    loopback: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    http_ = net.open_http()
    raw = wire.fetch(http_, Request("GET", f"http://127.0.0.1:{loopback}/direct", [], {}), name="T")
    http_.close()
    assert raw.status == 200


def test_an_unknown_name_is_an_outage_not_a_crash() -> None:
    def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    with pytest.raises(PlatformFault, match="cannot be reached"):
        _ask("https://nowhere.example/", nowhere)


def test_a_local_socket_is_never_opened() -> None:
    with pytest.raises(Fix):
        net.GuardedBackend().connect_unix_socket("/tmp/x")


def test_an_address_that_is_none_is_a_setting_to_fix() -> None:
    http_ = net.open_http(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    with pytest.raises(Fix, match="cannot be called"):
        wire.fetch(http_, Request("GET", "not-an-address", [], {}), name="Test")


@pytest.mark.parametrize("guarded", [True, False])
def test_L66_every_way_out_proves_certificates_and_has_limits(*, guarded: bool) -> None:
    http_ = net.open_http(guarded=guarded)
    pool = http_.transport._pool  # type: ignore[attr-defined]
    assert pool._ssl_context is net.tls()
    assert net.tls().verify_mode is ssl.CERT_REQUIRED
    assert net.tls().check_hostname
    assert http_.timeout.connect == 10
    assert http_.timeout.read == http_.timeout.write == http_.timeout.pool == 30
    assert wire.TOTAL_SECONDS == 120
    assert wire.MAX_BYTES == 64 * 1024 * 1024
    http_.close()


def test_L66_a_redirect_is_not_followed(loopback: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def redirect(self: Counting) -> None:
        self.hits.append(self.path)
        self.send_response(302)
        self.send_header("Location", f"http://127.0.0.1:{loopback}/elsewhere")
        self.end_headers()

    monkeypatch.setattr(Counting, "do_GET", redirect)
    http_ = net.open_http()
    url = f"http://127.0.0.1:{loopback}/first"
    assert wire.fetch(http_, Request("GET", url, [], {}), name="T").status == 302
    http_.close()
    assert Counting.hits == ["/first"]
