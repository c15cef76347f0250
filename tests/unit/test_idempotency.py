"""A request with a key is done once, whatever happens around it."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from liftos_app.errors import Conflict, Invalid, Retry
from liftos_app.models import KeptAnswer, Organization
from liftos_app.services.context import App, Principal
from liftos_app.services.idempotency import Answer, once
from tests.conftest import Clock

WHO = Principal(kind="program", user_id=uuid4())


def run(app: App, org: Organization, key: str, work: object, request: object = "r") -> Answer:
    assert org.id is not None
    return once(app, WHO, org.id, key, request=request, work=work)  # type: ignore[arg-type]


def test_the_second_request_gets_the_answer_of_the_first(
    app: App, organization: Organization
) -> None:
    calls: list[int] = []

    def work() -> Answer:
        calls.append(1)
        return Answer(201, {"id": len(calls)})

    assert [run(app, organization, "k", work).body for _ in range(3)] == [{"id": 1}] * 3
    assert run(app, organization, "", work).body == {"id": 2}
    assert run(app, organization, "other", work).body == {"id": 3}


def test_another_persons_and_another_organizations_keys_are_their_own(
    app: App, organization: Organization, other_organization: Organization
) -> None:
    run(app, organization, "k", lambda: Answer(200, {"whose": "first"}))
    assert run(
        app, other_organization, "k", lambda: Answer(200, {"whose": "other"})
    ).body == {"whose": "other"}


def test_a_key_used_for_another_request_is_refused(app: App, organization: Organization) -> None:
    run(app, organization, "k", lambda: Answer(200, {}), {"a": 1})
    with pytest.raises(Conflict, match="another request"):
        run(app, organization, "k", lambda: Answer(200, {}), {"a": 2})


def test_a_failed_request_may_be_repeated(app: App, organization: Organization) -> None:
    def fail() -> Answer:
        raise Retry("No.")

    with pytest.raises(Retry):
        run(app, organization, "k", fail)
    assert run(app, organization, "k", lambda: Answer(200, {})).status == 200


def test_the_same_request_at_the_same_moment_is_told_to_wait(
    app: App, organization: Organization
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Answer:
        begun.set()
        go_on.wait(10)
        return Answer(200, {})

    thread = threading.Thread(target=run, args=(app, organization, "k", slow))
    thread.start()
    begun.wait(10)
    with pytest.raises(Conflict, match="worked on"):
        run(app, organization, "k", lambda: Answer(200, {}))
    go_on.set()
    thread.join()
    assert run(app, organization, "k", lambda: Answer(500, {})).status == 200


def test_answers_are_kept_for_a_day_and_dead_requests_for_minutes(
    app: App, organization: Organization, clock: Clock
) -> None:
    run(app, organization, "k", lambda: Answer(200, {"n": 1}))
    clock.advance(hours=25)
    assert run(app, organization, "k", lambda: Answer(200, {"n": 2})).body == {"n": 2}
    assert organization.id is not None
    with app.db.write() as session:
        session.add(KeptAnswer(
            org_id=organization.id, actor=str(WHO.user_id), key="dead", request_hash="x",
            created_at=clock(),
        ))
    clock.advance(minutes=6)
    assert run(app, organization, "dead", lambda: Answer(200, {"n": 3})).body == {"n": 3}


@pytest.mark.parametrize("key", ["with space", "x" * 101, "schlüssel"])
def test_an_unusable_key_is_refused(app: App, organization: Organization, key: str) -> None:
    with pytest.raises(Invalid):
        run(app, organization, key, lambda: Answer(200, {}))
