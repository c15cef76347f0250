"""What every platform's connector makes of credentials and answers that nobody should send.

Answers are the sandbox's own, bent on the way: nothing may break, nothing may be lost in silence,
and no figure may be invented.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from liftos_app.errors import Invalid, PlatformFault
from liftos_app.services.connections.inputs import check_inputs
from liftos_app.services.connectors.client import Client, Credential
from liftos_app.services.connectors.spec import AuthMethod, Page, Platform, Row
from tests.contract.conftest import PLATFORMS, Bench, read
from tests.contract.connect import addresses, inputs, sign_in
from tests.contract.test_platforms import key_of

Bend = Callable[[httpx.Response], httpx.Response]
METHODS = [(p, m) for p in PLATFORMS for m in p.auth]
FIGURES = ("spend_micros", "impressions", "clicks", "recipients", "gross_micros", "amount_micros")


def name_of(one: Platform | AuthMethod) -> str:
    return one.slug if isinstance(one, Platform) else one.id


class Bending(httpx.BaseTransport):
    """The real way to the sandbox; answers are bent once `bend` is set."""

    def __init__(self) -> None:
        self._real = httpx.HTTPTransport()
        self.bend: Bend | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._real.handle_request(request)
        answer.read()
        whole = with_body(answer, answer.content)
        return self.bend(whole) if self.bend is not None else whole

    def close(self) -> None:
        self._real.close()


def with_body(answer: httpx.Response, body: bytes, **headers: str) -> httpx.Response:
    kept = {k: v for k, v in answer.headers.items()
            if k not in ("content-length", "content-encoding", "transfer-encoding")}
    return httpx.Response(answer.status_code, headers={**kept, **headers}, content=body)


def on_json(change: Callable[[Any], Any]) -> Bend:
    """Bends what is parsed from an answer; other answers stay."""

    def bend(answer: httpx.Response) -> httpx.Response:
        try:
            data = orjson.loads(answer.content)
        except ValueError:
            return answer
        return with_body(answer, orjson.dumps(change(data)))

    return bend


def each_number(make: Callable[[int | float], Any]) -> Callable[[Any], Any]:
    """Every number inside a record, which is an object in a list, replaced."""

    def change(value: Any, inside: bool = False) -> Any:
        if isinstance(value, dict):
            return {k: change(v, inside) for k, v in value.items()}
        if isinstance(value, list):
            return [change(v, True) for v in value]
        return make(value) if inside and type(value) in (int, float) else value

    return change


def longest_list(data: Any) -> list[Any]:
    """The longest list of objects or rows in an answer: its records."""
    found: list[Any] = []
    todo = [data]
    while todo:
        one = todo.pop()
        if isinstance(one, list):
            if one and isinstance(one[0], dict) and len(one) > len(found):
                found = one
            todo += one
        elif isinstance(one, dict):
            todo += one.values()
    return found


def read_bent(bench: Bench, bend: Bend, **more: Any) -> tuple[Page, Page | PlatformFault]:
    """A daily stream as it is, and what became of it bent."""
    way = Bending()
    with bench.open(transport=way, tries=2, **more) as client:
        task = bench.task(bench.daily().name, bench.account(client), days=3)
        before = read(client, task)
        way.bend = bend
        client.kept.clear()
        try:
            return before, read(client, task)
        except PlatformFault as error:
            return before, error


def by_key(bench: Bench, rows: list[Row]) -> dict[Any, Row]:
    return {key_of(bench.daily(), r): r for r in rows}


def explained(error: PlatformFault) -> bool:
    return bool(error.what and error.why and error.fix)


# --- credentials ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("platform", "method"), METHODS, ids=name_of)
def test_a_malformed_credential_is_refused_before_any_call(
    platform: Platform, method: AuthMethod
) -> None:
    good = inputs(platform, method.id)
    assert check_inputs(platform, method, good)
    wrong = [(i.name, "\u00fc\u2028\u00fc") for i in method.inputs]
    if platform.slug != "generic_http":  # whose keys have whatever form their system gives them
        wrong += [(i.name, "?") for i in method.inputs if i.pattern and i.secret]
    wrong += [(i.name, " ") for i in method.inputs if i.required]
    for name, value in wrong:
        with pytest.raises(Invalid) as caught:
            check_inputs(platform, method, {**good, name: value})
        assert set(caught.value.facts["fields"]) == {name}  # type: ignore[call-overload]


@pytest.mark.parametrize(("platform", "method"), METHODS, ids=name_of)
def test_a_valid_but_wrong_credential_is_for_a_person(
    box: Any, platform: Platform, method: AuthMethod
) -> None:
    values, _ = sign_in(platform, method, box.origin, box.clock())
    names = ("access_token", "api_key", "password", "token", "client_secret")
    secrets = [n for n in names if values.get(n)]
    if not secrets:
        assert method.kind == "key"
        assert not any(i.secret for i in method.inputs)  # a source that asks for nothing
        return
    with Client(
        platform, addresses(platform, box.origin, values),
        Credential(method=method.id, values=values), sleep=lambda _: None,
    ) as client:
        account = next(a for a in platform.discover(client) if a.usable)
        for name in secrets:
            text = client.credential.text(name)
            client.credential.values[name] = text[:-4] + ("1111" if text[-4:] == "0000" else "0000")
        before = client.requests
        with pytest.raises(PlatformFault) as caught:
            platform.test(client, account)
        assert client.requests <= before + 2
    assert caught.value.cause == "credential"
    assert caught.value.owner == "you"
    assert explained(caught.value)


# --- answers --------------------------------------------------------------------------------------


def test_numbers_as_texts_are_the_same_numbers_or_are_rejected(bench: Bench) -> None:
    before, after = read_bent(bench, on_json(each_number(str)))
    if isinstance(after, PlatformFault):
        assert explained(after)
        return
    known = by_key(bench, before.rows)
    for key, row in by_key(bench, after.rows).items():
        for name in FIGURES:
            assert row.get(name) == known[key].get(name), name
    assert after.rejected or len(after.rows) == len(before.rows)


def test_null_where_a_number_was_is_unknown_and_never_a_number(bench: Bench) -> None:
    before, after = read_bent(bench, on_json(each_number(lambda _: None)))
    if isinstance(after, PlatformFault):
        assert explained(after)
        return
    known = by_key(bench, before.rows)
    for key, row in by_key(bench, after.rows).items():
        for name in FIGURES:
            assert row.get(name) in (None, known[key].get(name)) or bench.platform.slug in ZERO
    assert all(r.reason for r in after.rejected)


ZERO = {"x_ads"}  # whose documentation says that null stands for zeros


def test_one_record_of_ten_megabytes_harms_no_other(bench: Bench) -> None:
    def fatten(data: Any) -> Any:
        records = longest_list(data)
        if records:
            records[0] = {**records[0], "liftos_test_filler": "x" * 10_000_000}
        return data

    before, after = read_bent(bench, on_json(fatten))
    if isinstance(after, PlatformFault):
        assert explained(after)
        return
    lost = set(by_key(bench, before.rows)) - set(by_key(bench, after.rows))
    assert len(lost) == len([r for r in after.rejected if r.reason])  # itself at most, and told
    assert len(lost) <= 1
    assert len(str(after.rows)) < 1_000_000 + 2 * len(str(before.rows))


def test_another_encoding_than_promised_is_told_and_bends_no_row(bench: Bench) -> None:
    def latin(answer: httpx.Response) -> httpx.Response:
        """A text in each record, as an old export would write it."""

        def name(data: Any) -> Any:
            for record in longest_list(data):
                record["liftos_test"] = "K#SE"
            return data

        named = on_json(name)(answer)
        return with_body(named, named.content.replace(b"K#SE", b"K\xc4SE"))

    before, after = read_bent(bench, latin)
    if isinstance(after, PlatformFault):
        assert explained(after)
        return
    assert by_key(bench, after.rows).keys() == by_key(bench, before.rows).keys()


def test_a_packed_bomb_is_stopped_and_named(bench: Bench) -> None:
    bomb = gzip.compress(b"0" * 20_000_000)

    def pack(answer: httpx.Response) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(bomb), headers={
            "content-type": "application/json", "content-encoding": "gzip",
        })

    _, after = read_bent(bench, pack, max_bytes=4_000_000)
    assert isinstance(after, PlatformFault)
    assert explained(after)


def test_days_without_anything_are_known_to_be_empty(bench: Bench) -> None:
    with bench.open() as client:
        account = bench.account(client)
        stream = bench.daily()
        back = min(stream.history_days(account), 1_000) - 1
        page = read(client, bench.task(stream.name, account, back=back, days=2))
    assert page.rejected == []
    if back > 850:  # before the trade program began
        assert page.rows == []
