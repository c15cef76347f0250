"""Settings of an HTTP source, what its bytes become, and which addresses are never called."""

from __future__ import annotations

import gzip
import io
import zipfile
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from liftos_app.errors import Fix, GiveUp, Invalid, Retry, SignInAgain
from liftos_app.services.connections.inputs import check_inputs
from liftos_app.services.connectors import addresses
from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.defined import read_definition
from liftos_app.services.connectors.platforms.generic_http import PLATFORM, signin
from liftos_app.services.connectors.platforms.generic_http.decode import decode
from liftos_app.services.connectors.platforms.generic_http.source import Source, dig, read_source
from liftos_app.services.connectors.spec import AccountInfo
from tests.unit.connectors.helper import make_client

BASE = "https://erp.example.com"
PLAIN = Source(path="/x")


def a_source(**settings: str) -> Source:
    raw = {"name": "tried", "lands": "facts", "currencies": ["EUR"],
           "source": {"path": "/x", **settings}}
    return read_source(read_definition(raw, draft=True))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"path": "x"}, "begins with one /"),
        ({"path": "//evil.example/x"}, "begins with one /"),
        ({"path": "/a?b=1"}, "no ? or #"),
        ({"path": "/a/../../etc"}, "no .. in it"),
        ({"query": "a={{ password }}"}, "Placeholders are"),
        ({"query": "a={{ cursor"}, "Placeholders are"),
        ({"paging": "page"}, "name of its parameter"),
        ({"paging": "cursor_body", "page_param": "c"}, "place where the next page"),
        ({"paging": "stairs"}, "not one of its choices"),
        ({"page_size": "many"}, "whole number"),
        ({"short_page_ends": "yes"}, "no page is short"),
        ({"surprise": "1"}, "no setting called 'surprise'"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(settings: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid) as caught:
        a_source(**settings)
    assert words in caught.value.why
    assert str(caught.value.facts["field"]).startswith("source.")


@pytest.mark.parametrize(
    ("method", "values", "field", "words"),
    [
        ("basic", {"base_url": "erp.example.com"}, "base_url", "https://"),
        ("basic", {"base_url": "https://me:secret@erp.example.com"}, "base_url", "own fields"),
        ("basic", {"base_url": "https://erp.example.com/?a=1"}, "base_url", "without ?"),
        ("basic", {"base_url": "https://erp.example.com:99999"}, "base_url", "no web address"),
        ("basic", {"base_url": "ftp://erp.example.com"}, "base_url", "https://"),
        ("basic", {"username": "a:b"}, "username", "colon"),
        ("basic", {"password": ""}, "password", "missing"),
        ("header", {"header_name": "X Key"}, "header_name", "letters, digits and dashes"),
        ("header", {"header_name": "Host"}, "header_name", "letters, digits and dashes"),
        ("bearer", {"access_token": "two\nlines"}, "access_token", "line break"),
    ],
)
def test_a_wrong_input_is_refused_before_any_call(
    method: str, values: dict[str, str], field: str, words: str
) -> None:
    good = {
        "basic": {"base_url": BASE, "username": "u", "password": "p"},
        "bearer": {"base_url": BASE, "access_token": "t"},
        "header": {"base_url": BASE, "header_name": "X-Api-Key", "api_key": "k"},
    }[method]
    check_inputs(PLATFORM, PLATFORM.method(method), good)
    with pytest.raises(Invalid) as caught:
        check_inputs(PLATFORM, PLATFORM.method(method), {**good, **values})
    assert words in caught.value.facts["fields"][field]


def signed(method: str, **values: str) -> dict[str, str]:
    request = Request("GET", BASE, [], {})
    signin.authorize(request, Credential(method=method, values=values))
    assert (request.url, request.params) == (BASE, [])  # never in the address
    return request.headers


def test_each_way_signs_a_request() -> None:
    assert signed("basic", username="Aladdin", password="open sesame")["Authorization"] == (
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # RFC 7617, section 2
    )
    assert signed("basic", username="test", password="123£")["Authorization"] == (
        "Basic dGVzdDoxMjPCow=="  # RFC 7617, section 2.1: UTF-8
    )
    latin = signed("basic", username="test", password="123£", auth_charset="latin-1")
    assert latin["Authorization"] == "Basic dGVzdDoxMjOj"
    assert signed("bearer", access_token="t1")["Authorization"] == "Bearer t1"
    assert signed("header", header_name="X-Key", api_key="k1")["X-Key"] == "k1"
    assert "Authorization" not in signed("none")
    with pytest.raises(Fix, match="cannot be sent"):
        signed("basic", username="u", password="\u20ac", auth_charset="latin-1")


def where(url: str, *, http: bool = False, allow: tuple[str, ...] = ()) -> addresses.Addresses:
    settings: Any = SimpleNamespace(
        platform_urls={}, self_url="http://127.0.0.1:1", public_url="http://127.0.0.1:1",
        ssrf_allow=allow, origins=(),
    )
    given = {"base_url": url, "allow_http": "yes" if http else ""}
    return addresses.resolve(PLATFORM, settings, demo=False, inputs=given)


@pytest.mark.parametrize(
    "url", ["http://erp.example.com", "https://erp.example.com:22", "https://erp.example.com."]
)
def test_addresses_of_a_wrong_form_are_not_called(url: str) -> None:
    with pytest.raises(Fix, match="not called"):
        where(url)


def test_http_needs_a_tick_and_a_private_host_the_operator() -> None:
    assert where("http://erp.example.com", http=True).guarded
    with pytest.raises(Fix):
        where("http://10.0.0.5:8080", http=True)
    opened = where("http://10.0.0.5:8080", allow=("10.0.0.5:8080",))
    assert opened.guarded
    assert opened.allow == ("10.0.0.5:8080",)
    assert opened.url("api", "/x") == "http://10.0.0.5:8080/x"


@pytest.mark.parametrize(
    ("header", "kind", "words"),
    [
        ('Basic realm="ERP"', SignInAgain, "'ERP'"),
        ('Digest realm="ERP", nonce="1"', Fix, "Digest"),
        ("NTLM", Fix, "Ntlm"),
        ("", SignInAgain, "wrong"),
    ],
)
def test_a_refusal_says_what_the_server_wants(header: str, kind: type, words: str) -> None:
    headers = {"WWW-Authenticate": header} if header else {}
    client, edge = make_client(
        PLATFORM, lambda r: httpx.Response(401, headers=headers, text="no"), {"password": "p"},
        method="basic",
    )
    with client, pytest.raises(kind) as caught:
        PLATFORM.test(client, AccountInfo("erp", "ERP"))
    assert words in caught.value.why
    assert len(edge.requests) == 1  # accounts lock: never twice


def records(body: bytes | str, source: Source = PLAIN, kind: str = "") -> list[dict[str, Any]]:
    raw = body.encode() if isinstance(body, str) else body
    return decode(source, raw, {"content-type": kind}).records


def test_json_keeps_every_digit_and_flattens_two_levels() -> None:
    nested = '{"b": {"c": 12345678901234567.125, "d": {"e": 1}}, "l": [1]}'
    [one] = records(f'[{{"id": 1, "a": {nested}}}]')
    assert one == {
        "id": 1, "a_b_c": Decimal("12345678901234567.125"), "a_b_d": '{"e": 1}', "a_l": "[1]",
    }


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("data.items", [{"n": 1}, {"n": 2}]), ("", None), ("groups[*].rows", [{"r": 1}, {"r": 2}]),
        ("data.missing.items", None),
    ],
)
def test_records_are_found_by_their_dotted_way(path: str, found: Any) -> None:
    body = {"data": {"items": [{"n": 1}, {"n": 2}]},
            "groups": [{"rows": [{"r": 1}]}, {"rows": [{"r": 2}]}]}
    assert dig(body, path) == (body if not path else found)


def test_a_place_that_is_gone_is_no_empty_list() -> None:
    gone = Source(path="/x", records_path="data.items")
    assert records('{"data": {"items": null}}', gone) == []
    with pytest.raises(Fix, match="another form"):
        records('{"payload": {"items": []}}', gone)
    with pytest.raises(Fix, match="no list"):
        records('"text"', Source(path="/x", format="json"))


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        ("a,b\nñ,1\n".encode(), ""), ("a,b\nñ,1\n".encode("utf-8-sig"), ""),
        ("a,b\nñ,1\n".encode("utf-16"), ""), ("a,b\nñ,1\n".encode("latin-1"), ""),
        ("a,b\nñ,1\n".encode("cp1252"), "cp1252"),
    ],
)
def test_character_sets_are_told_apart(raw: bytes, encoding: str) -> None:
    source = Source(path="/x", encoding=encoding)
    assert records(raw, source, "text/csv") == [{"a": "ñ", "b": "1"}]


def test_csv_with_everything() -> None:
    text = 'Titel\r\n"a;x";b;;b\r\n"1;2";"two\r\nlines";3;NULL\r\n'
    source = Source(path="/x", skip_rows=1, null_values=frozenset({"NULL"}))
    assert records(text, source, "text/csv") == [
        {"a;x": "1;2", "b": "two\r\nlines", "col_3": "3", "b_2": None}
    ]
    assert records("a\tb\n1\t2\n", kind="text/tab-separated-values") == [{"a": "1", "b": "2"}]
    assert records("", kind="text/csv") == []
    assert records("a,b\n", kind="text/csv") == []


def test_json_lines_with_a_broken_last_one() -> None:
    found = decode(PLAIN, b'{"a": 1}\n{"a": 2}\n{"a": ', {"content-type": "application/x-ndjson"})
    assert [r["a"] for r in found.records] == [1, 2]
    assert len(found.rejected) == 1


@pytest.mark.parametrize("raw", [b'[{"a": 1}', b'"open', gzip.compress(b"x" * 500, mtime=0)[:-9]])
def test_what_is_cut_off_is_asked_for_again(raw: bytes) -> None:
    with pytest.raises((Retry, Fix)) as caught:
        records(raw, Source(path="/x", format="json"))
    assert isinstance(caught.value, Retry)


def test_archives_are_opened_with_care() -> None:
    def archive(**files: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
            for name, content in files.items():
                made.writestr(name, content)
        return out.getvalue()

    assert records(archive(one=b"a,b\n1,2\n")) == [{"a": "1", "b": "2"}]
    with pytest.raises(Fix, match="2 files"):
        records(archive(one=b"a", two=b"b"))
    with pytest.raises(GiveUp, match="more than fits"):
        records(archive(one=b"0" * 30_000_000))
    with pytest.raises(Retry):
        records(archive(one=b"a,b\n")[:-10])
