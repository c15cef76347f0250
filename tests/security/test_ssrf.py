"""No address a person types, and none a platform sends, leads anywhere but the open internet.

Through the real client of the HTTP source: what is typed is resolved, judged, and called, so that
each row is refused by whatever part of the guard must see it. Nothing may reach loopback.
"""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, ClassVar

import httpcore
import pytest

from liftos_app.errors import Fix, GiveUp, Invalid, PlatformFault, Retry
from liftos_app.services.connectors import addresses, net
from liftos_app.services.connectors.client import Client, Credential
from liftos_app.services.connectors.platforms.generic_http import PLATFORM

PUBLIC = "93.184.216.34"

# What a person may type; `{port}` is a port of this machine that somebody listens on.
HOSTILE = [
    # loopback and private networks, written in every way a resolver understands
    "http://127.0.0.1:{port}", "http://127.1:{port}", "http://127.0.1:{port}",
    "http://0x7f000001:{port}", "http://0x7f.0.0.1:{port}", "http://0x7f.1:{port}",
    "http://2130706433:{port}", "http://017700000001:{port}", "http://0177.0.0.1:{port}",
    "http://0:{port}", "http://0.0.0.0:{port}", "http://localhost:{port}",
    "http://LOCALHOST:{port}", "http://[::1]:{port}", "http://[::]:{port}",
    "http://[0:0:0:0:0:0:0:1]:{port}", "http://[::ffff:127.0.0.1]:{port}",
    "http://[::ffff:7f00:1]:{port}", "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}",
    "https://10.0.0.1", "https://172.16.0.1", "https://192.168.1.1", "https://169.254.169.254",
    "https://100.64.0.1", "https://198.18.0.1", "https://224.0.0.1", "https://255.255.255.255",
    "https://192.88.99.1", "https://192.0.0.8", "https://0xa9fea9fe", "https://2852039166",
    # IPv6 that carries another address or belongs to a site
    "https://[::127.0.0.1]", "https://[::ffff:0:127.0.0.1]", "https://[64:ff9b::7f00:1]",
    "https://[64:ff9b::169.254.169.254]", "https://[64:ff9b:1::7f00:1]",
    "https://[2002:7f00:1::]", "https://[2002:a9fe:a9fe::1]", "https://[2001:0:7f00:1::]",
    "https://[fe80::1]", "https://[fec0::1]", "https://[fd00:ec2::254]", "https://[ff02::1]",
    "https://[2001:db8::1]", "https://[3fff::1]", "https://[100::1]",
    # forms that mean something else to the next reader
    "https://erp.example.com@127.0.0.1", "https://user:pw@erp.example.com", "https://@127.0.0.1",
    "https://erp.example.com#@127.0.0.1", "https://erp.example.com#", "https://127.0.0.1#.example",
    "https://erp.example.com\\@127.0.0.1", "https://erp.example.com.", "https://127.0.0.1.",
    "https://localhost.", "https://[fe80::1%25eth0]", "https://[::1%25lo]", "https://[::1%lo]",
    "https://ex\u0430mple.com", "https://\u2460\u2461\u2466.0.0.1", "https://127\u30020\u30020\u30021",
    "https://\uff11\uff12\uff17.0.0.1", "https://erp.ex\u00e4mple.com",
    "https://" + "a" * 250 + ".com", "https://" + "a" * 64 + ".example",
    "https://" + ".".join(["a" * 60] * 5), "https://erp.example.com:22",
    "https://erp.example.com:6379", "https://erp.example.com:0", "https://erp.example.com:99999",
    "ftp://erp.example.com", "file:///etc/passwd", "gopher://127.0.0.1:{port}", "//127.0.0.1",
    "https://", "https://[::1", "https://erp.exa mple.com", "https://erp.example.com\r\nHost: x",
]


class Counting(http.server.BaseHTTPRequestHandler):
    """Notes what reaches loopback; `/move` sends elsewhere."""

    hits: ClassVar[list[str]] = []
    target: ClassVar[str] = ""

    def do_GET(self) -> None:
        self.hits.append(self.path)
        if self.path.startswith("/move"):
            self.send_response(302)
            self.send_header("Location", self.target)
        else:
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def loopback() -> Iterator[int]:
    """A port of this machine where every request is counted."""
    Counting.hits.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def source(
    base_url: str, *, allow: tuple[str, ...] = (), public_url: str = "https://liftos.example.com"
) -> Client:
    """The client LiftOS opens for a typed address; plain http was accepted. Raises Fix, Invalid."""
    settings: Any = SimpleNamespace(
        platform_urls={}, self_url="http://127.0.0.1:8000", public_url=public_url,
        origins=("http://localhost:8000", public_url), ssrf_allow=allow,
    )
    found = addresses.resolve(
        PLATFORM, settings, demo=False, inputs={"base_url": base_url, "allow_http": "yes"}
    )
    return Client(PLATFORM, found, Credential("none", {}), tries=1, sleep=lambda _: None)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Answers of the resolver, one after the other; addresses resolve as they always do."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def make(*answers: list[str]) -> list[str]:
        queue = list(answers)

        def lookup(host: str, port: int, *rest: Any, **more: Any) -> list[Any]:
            if not host.endswith(".example.com"):
                return list(real(host, port, *rest, **more))
            asked.append(host)
            found = queue.pop(0) if len(queue) > 1 else queue[0]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in found]

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        return asked

    return make


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses connections went to; none of them is made."""
    found: list[str] = []

    def connect(self: object, host: str, *_: object, **__: object) -> object:
        found.append(host)
        raise httpcore.ConnectError("no route in a test")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    return found


def test_L92_the_table_is_long_enough() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) >= 40


@pytest.mark.parametrize("template", HOSTILE)
def test_L92_a_hostile_address_is_refused_and_no_byte_leaves(
    template: str, loopback: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    connect = httpcore.SyncBackend.connect_tcp

    def watched(self: httpcore.SyncBackend, host: str, *rest: Any, **more: Any) -> Any:
        opened.append(host)
        return connect(self, host, *rest, **more)

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", watched)
    monkeypatch.setattr(net, "PORTS", frozenset({80, 443, 8443, loopback}))  # else the port decides
    with pytest.raises((Fix, Invalid, PlatformFault)), source(template.format(port=loopback)) as c:
        c.get("")
    assert opened == []
    assert Counting.hits == []


def test_L92_a_redirect_to_the_metadata_address_is_not_followed(loopback: int) -> None:
    here = f"127.0.0.1:{loopback}"
    for target in (
        "http://169.254.169.254/latest/meta-data/", f"http://localhost:{loopback}/inside",
        "file:///etc/passwd", "//169.254.169.254/", f"http://{here}@169.254.169.254/",
    ):
        Counting.hits.clear()
        Counting.target = target
        with source(f"http://{here}", allow=(here,)) as client, pytest.raises(PlatformFault):
            client.get("/move")
        assert Counting.hits == ["/move"]


@pytest.mark.parametrize("how", ["lines", "download"])
@pytest.mark.parametrize(
    "link",
    [
        "https://127.0.0.1/f", "https://0x7f000001/f", "https://[::1]/f", "/etc/passwd",
        "https://[::ffff:127.0.0.1]/f", "https://169.254.169.254/latest", "file:///etc/passwd",
        "https://[64:ff9b::7f00:1]/", "https://files.example.com@127.0.0.1/f",
        "https://files.example.com#@127.0.0.1", "http://files.example.com/f",
        "https://files.example.com:22/f", "https://files.example.com./f",
    ],
)
def test_L92_a_file_link_of_a_platform_passes_the_same_guard(
    link: str, how: str, called: list[str]
) -> None:
    with source("https://erp.example.com") as client, pytest.raises((Fix, GiveUp, Retry)):
        found = getattr(client, how)(link)
        list(found)
    assert called == []


@pytest.mark.parametrize("how", ["get", "lines", "download"])
def test_L93_a_name_that_turns_to_loopback_is_called_where_it_was_judged(
    how: str, loopback: int, names: Callable[..., list[str]], called: list[str]
) -> None:
    asked = names([PUBLIC], ["127.0.0.1"])
    with source("https://rebind.example.com") as client, pytest.raises(PlatformFault):
        found = client.get("") if how == "get" else getattr(client, how)(
            "https://rebind.example.com/f"
        )
        list(found)  # type: ignore[call-overload]
    assert (asked, called) == (["rebind.example.com"], [PUBLIC])
    assert Counting.hits == []


def test_L93_the_second_request_is_judged_anew(
    loopback: int, names: Callable[..., list[str]], called: list[str]
) -> None:
    names([PUBLIC], ["127.0.0.1"])
    with source("https://rebind.example.com") as client:
        with pytest.raises(Retry):
            client.get("")
        with pytest.raises(Fix, match="not called"):
            client.get("")
    assert called == [PUBLIC]


def test_L93_one_private_answer_among_public_ones_is_enough(
    names: Callable[..., list[str]], called: list[str]
) -> None:
    names([PUBLIC, "127.0.0.1"])
    with source("https://two.example.com") as client, pytest.raises(Fix, match="not called"):
        client.get("")
    assert called == []


def test_L92_our_own_address_is_refused_by_name() -> None:
    for url in ("https://liftos.example.com", "http://LIFTOS.example.com:80/api/v1"):
        with pytest.raises(Fix) as caught:
            source(url)
        assert "LiftOS itself" in caught.value.why


def test_L92_our_own_machine_is_refused_by_any_of_its_addresses(
    loopback: int, names: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A public address of this machine, as the guard sees it: only the connection gives it away.
    names(["127.0.0.1"])
    monkeypatch.setattr(net, "is_public", lambda _: True)
    monkeypatch.setattr(net, "PORTS", frozenset({loopback}))
    client = source(f"http://elsewhere.example.com:{loopback}")
    with client, pytest.raises(Fix) as caught:
        client.get("")
    assert "this machine" in caught.value.why
    assert Counting.hits == []


def test_L92_the_operators_list_lifts_scheme_and_port_and_nothing_else(loopback: int) -> None:
    here = f"127.0.0.1:{loopback}"
    with source(f"http://{here}", allow=(here,)) as client, pytest.raises(PlatformFault):
        client.get("/ok")  # an empty answer: it came
    assert Counting.hits == ["/ok"]
    for url in (f"http://me:secret@{here}", f"http://{here}#x", f"ftp://{here}", f"http://{here}\\x"):
        with pytest.raises((Fix, Invalid)):
            source(url, allow=(here,))


def test_L92_a_path_cannot_run_into_the_host() -> None:
    with source("https://erp.example.com") as client:
        for path in ("@127.0.0.1/", ".evil.example/", ":22/", "evil"):
            with pytest.raises(ValueError, match="begins with"):
                client.get(path)


def test_L92_a_resolver_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(net, "RESOLVE_SECONDS", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(30))
    with source("https://slow.example.com") as client, pytest.raises(Retry):
        client.get("")
    over.set()
