"""Credentials in use: fresh before a call, renewed once, never lost, never blamed for an outage."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from liftos_app.errors import Missing, Retry, SignInAgain
from liftos_app.models import Connection, Credential, SyncEvent
from liftos_app.services import connections, leases, links, vault
from liftos_app.services.connectors.spec import TokenSet
from liftos_app.services.context import job_principal, open_context
from tests import connection_fixtures
from tests.conftest import Clock
from tests.connection_fixtures import Bench

bench, example = connection_fixtures.bench, connection_fixtures.example


def stored(bench: Bench, connection_id: UUID, name: str) -> str:
    with open_context(bench.app, job_principal("test"), bench.org_id) as ctx:
        secret = vault.get(ctx, connections.get(ctx, connection_id), name)
        return secret.reveal() if secret else ""


def use(bench: Bench, connection_id: UUID) -> Any:
    with links.open_client(bench.app, bench.org_id, connection_id, purpose="test") as client:
        return client.get("/accounts").data


def test_a_living_token_is_used_without_a_renewal(bench: Bench) -> None:
    connection_id = bench.signed_in()
    assert use(bench, connection_id)["data"]
    assert bench.world.count("token:refresh_token") == 0


def test_a_token_near_its_end_is_renewed_before_the_call(bench: Bench, clock: Clock) -> None:
    connection_id = bench.signed_in()
    old = stored(bench, connection_id, "access_token")
    clock.advance(minutes=56)
    use(bench, connection_id)
    assert bench.world.count("token:refresh_token") == 1
    assert stored(bench, connection_id, "access_token") != old


def test_L51_a_rotated_refresh_token_is_stored_and_the_one_before_is_kept(
    bench: Bench, clock: Clock
) -> None:
    connection_id = bench.signed_in()
    first = stored(bench, connection_id, "refresh_token")
    clock.advance(hours=2)
    use(bench, connection_id)
    second = stored(bench, connection_id, "refresh_token")
    assert second != first
    assert stored(bench, connection_id, links.PREVIOUS) == first
    clock.advance(hours=2)
    use(bench, connection_id)
    assert stored(bench, connection_id, links.PREVIOUS) == second


def test_L51_the_rotated_token_is_committed_before_the_new_access_token_is_used(
    bench: Bench, clock: Clock
) -> None:
    connection_id = bench.signed_in()
    first = stored(bench, connection_id, "refresh_token")
    clock.advance(hours=2)
    bench.world.api_status = 500
    with pytest.raises(Retry):
        use(bench, connection_id)
    assert stored(bench, connection_id, "refresh_token") != first


def test_a_token_refused_before_its_time_is_renewed_once(bench: Bench) -> None:
    connection_id = bench.signed_in()
    bench.world.access = dict.fromkeys(bench.world.access, False)
    assert use(bench, connection_id)["data"]
    assert bench.world.count("token:refresh_token") == 1


def test_L51_a_dead_grant_needs_a_person_and_is_told_once(bench: Bench, clock: Clock) -> None:
    connection_id = bench.signed_in(start=True)
    bench.world.refresh = dict.fromkeys(bench.world.refresh, False)
    clock.advance(hours=2)
    for _ in range(2):
        with pytest.raises(SignInAgain):
            use(bench, connection_id)
    assert bench.status(connection_id) == "needs_reauth"
    with bench.read() as ctx:
        row = connections.row_of(ctx, connections.get(ctx, connection_id))
        assert row.cause is not None
        assert row.cause["cause"] == "credential"
        assert row.cause["meanwhile"]
        lines = ctx.session.exec(
            select(SyncEvent).where(SyncEvent.kind == "credential", SyncEvent.level == "error")
        ).all()
    assert len(lines) == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_L51_an_outage_of_the_token_endpoint_never_asks_a_person(
    bench: Bench, clock: Clock, status: int
) -> None:
    connection_id = bench.signed_in(start=True)
    before = bench.status(connection_id)
    bench.world.token_status = status
    clock.advance(hours=2)
    with pytest.raises(Retry):
        use(bench, connection_id)
    assert bench.status(connection_id) == before
    bench.world.token_status = 0
    assert use(bench, connection_id)["data"]


def test_while_the_old_token_lives_an_outage_of_the_token_endpoint_is_not_noticed(
    bench: Bench, clock: Clock
) -> None:
    connection_id = bench.signed_in()
    bench.world.token_status = 500
    clock.advance(minutes=57)
    assert use(bench, connection_id)["data"]


def test_a_renewal_whose_answer_was_lost_is_mended_by_the_same_token(
    bench: Bench, clock: Clock
) -> None:
    connection_id = bench.signed_in()
    clock.advance(hours=2)
    bench.world.lose_answer = True
    with pytest.raises(Retry):
        use(bench, connection_id)
    assert use(bench, connection_id)["data"]


def test_the_previous_refresh_token_is_tried_when_the_new_one_never_became_good(
    bench: Bench, clock: Clock
) -> None:
    connection_id = bench.signed_in()
    clock.advance(hours=2)
    use(bench, connection_id)
    bench.world.refresh[stored(bench, connection_id, "refresh_token")] = False
    bench.world.refresh[stored(bench, connection_id, links.PREVIOUS)] = True
    clock.advance(hours=2)
    assert use(bench, connection_id)["data"]


def test_L51_many_threads_renew_once(bench: Bench, clock: Clock) -> None:
    connection_id = bench.signed_in()
    clock.advance(hours=2)
    bench.world.slow = 0.3
    errors: list[BaseException] = []

    def work() -> None:
        try:
            use(bench, connection_id)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert bench.world.count("token:refresh_token") == 1


def test_L51_a_renewal_of_another_process_is_waited_for(bench: Bench, clock: Clock) -> None:
    connection_id = bench.signed_in()
    clock.advance(hours=2)
    name = f"renew:{connection_id}"
    epoch = leases.take(bench.app, name, holder="another process", seconds=60)
    assert epoch is not None
    done = threading.Event()

    def work() -> None:
        use(bench, connection_id)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert not done.wait(0.5)
    assert bench.world.count("token:refresh_token") == 0
    leases.release(bench.app, name, epoch)
    thread.join(10)
    assert done.is_set()


def test_L106_a_lease_that_ran_out_is_taken_over(bench: Bench, clock: Clock) -> None:
    assert leases.take(bench.app, "x", holder="one", seconds=60) == 1
    assert leases.take(bench.app, "x", holder="two", seconds=60) is None
    clock.advance(seconds=61)
    assert leases.take(bench.app, "x", holder="two", seconds=60) == 2
    leases.release(bench.app, "x", 1)  # the first one is late: nothing happens
    assert leases.take(bench.app, "x", holder="three", seconds=60) is None


def test_a_refused_old_token_does_not_blame_a_newer_sign_in(bench: Bench) -> None:
    connection_id = bench.started()

    def read_while_somebody_signs_in() -> None:
        with links.open_client(
            bench.app, bench.org_id, connection_id, purpose="test"
        ) as client:
            bench.world.keys = {"ex_other_key_0000002"}
            connections.sign_in(
                bench.app, bench.who, bench.org_id, connection_id,
                inputs={"api_key": "ex_other_key_0000002"},
            )
            client.get("/accounts")

    with pytest.raises(SignInAgain):
        read_while_somebody_signs_in()
    assert bench.status(connection_id) == "backfilling"


def test_a_client_credentials_token_is_fetched_anew(bench: Bench, clock: Clock) -> None:
    outcome = connections.create_connected(
        bench.app, bench.who, bench.org_id, "example", method="client_credentials", mode="live",
        inputs={"client_id": "app-1", "client_secret": "s3cret-of-app-0001"},
    )
    clock.advance(hours=2)
    assert use(bench, outcome.connection_id)["data"]
    assert bench.world.count("token:client_credentials") == 2


def test_keep_alive_renews_what_was_idle_for_a_day(bench: Bench, clock: Clock) -> None:
    connection_id = bench.signed_in(start=True)
    assert links.keep_alive(bench.app) == 0
    clock.advance(hours=25)
    assert links.keep_alive(bench.app) == 1
    bench.world.refresh = dict.fromkeys(bench.world.refresh, False)
    clock.advance(hours=25)
    assert links.keep_alive(bench.app) == 0
    assert bench.status(connection_id) == "needs_reauth"


def test_a_token_that_nothing_can_renew_is_left_alone_while_it_lives(
    bench: Bench, clock: Clock
) -> None:
    connection_id = bench.signed_in(start=True)
    with bench.write() as ctx:  # as with apps that are given no refresh token
        connection = ctx.session.get_one(Connection, connection_id)
        token = links.load(bench.app, bench.org_id, connection_id, purpose="test").values[
            "access_token"]
        links.store_tokens(ctx, connection, TokenSet(
            access_token=token.reveal(), expires_at=clock() + timedelta(hours=30)
        ))
    clock.advance(hours=25)
    assert links.keep_alive(bench.app) == 0
    assert bench.status(connection_id) == "backfilling"
    clock.advance(hours=4, minutes=58)  # due, but not over
    link = links.load(bench.app, bench.org_id, connection_id, purpose="test")
    assert (link.due, link.expired) == (True, False)
    links._freshen(link)
    clock.advance(minutes=3)
    with pytest.raises(SignInAgain):
        use(bench, connection_id)
    assert bench.status(connection_id) == "needs_reauth"


def test_another_organization_cannot_open_the_connection(bench: Bench) -> None:
    connection_id = bench.signed_in()
    with pytest.raises(Missing), links.open_client(
        bench.app, bench.other_org, connection_id, purpose="test"
    ):
        pass


def test_no_plaintext_token_is_in_the_database(bench: Bench) -> None:
    connection_id = bench.signed_in()
    token = stored(bench, connection_id, "access_token")
    with bench.app.db.read() as session:
        rows = session.exec(select(Credential)).all()
        assert rows
        assert all(token not in row.sealed for row in rows)
        connection = session.get_one(Connection, connection_id)
        assert "client_secret" not in connection.options


def test_keep_alive_leaves_an_outage_for_the_next_time(bench: Bench, clock: Clock) -> None:
    connection_id = bench.signed_in(start=True)
    clock.advance(hours=25)
    bench.world.token_status = 503
    assert links.keep_alive(bench.app) == 0
    assert bench.status(connection_id) == "backfilling"


def test_a_connection_without_a_sign_in_asks_for_one(bench: Bench) -> None:
    connection_id = bench.draft()
    with pytest.raises(SignInAgain):
        use(bench, connection_id)
    assert bench.status(connection_id) == "draft"
