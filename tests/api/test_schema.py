"""The API against its own OpenAPI document, by schemathesis: as the strongest member of one
organization, as a stranger, and step by step with what earlier answers gave. Every status, media
type and shape of an answer must be documented, what the document allows must be taken, what it
forbids refused, and nothing may fail inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.types import ASGIApp

from liftos_app.api import docs
from liftos_app.api.routes import create_api
from liftos_app.models import Role
from liftos_app.services.context import App
from tests import connection_fixtures, twin_fixtures
from tests.api.conftest import BASE
from tests.connection_fixtures import Bench
from tests.twin_fixtures import Home

bench, example = connection_fixtures.bench, connection_fixtures.example
make_home, headers, mine = (
    twin_fixtures.make_home, twin_fixtures.headers, twin_fixtures.mine,
)
_C: Final = "/api/v1/platform-connections"
_ONE: Final = f"{_C}/connections/{{connection_id}}"
# What a document cannot say: 422 although the request fits it.
MORE_THAN_SHAPE: Final = {
    f"GET {_C}/connections": "a platform is one of the catalogue",
    f"GET {_ONE}/log": "a cursor is one that an answer gave",
    f"GET {_ONE}/sync-history": "a cursor is one that an answer gave",
    "GET /api/v1/audit": "a cursor is one that an answer gave",
    f"POST {_C}/connections": "what a connection needs is told by its platform",
    f"PUT {_ONE}": "accounts and streams are those of the connection",
    f"GET {_ONE}/rows": "a stream is one of the connection's",
    f"GET {_ONE}/source": "a stream is one of the connection's",
    f"POST {_ONE}/resync/preview": "days are in order and within the connection's history",
    f"POST {_ONE}/schema/accept": "a stream is one of the connection's",
    f"POST {_ONE}/preview": "a definition is checked against its platform",
    f"POST {_ONE}/clear": "the confirmation is the connection's name",
    f"POST {_C}/oauth/initiate": "what a connection needs is told by its platform",
    f"PUT {_C}/preferences": "a schedule is an interval or five cron fields",
    "PUT /api/v1/organization": "a currency and a time zone are real ones",
    **{
        f"GET /api/v1/metrics/{what}": "days are in order, and not beside a named range"
        for what in ("totals", "days", "channels", "claims")
    },
    "POST /api/v1/invitations": "addresses are narrower here than in RFC 5321",
    "PATCH /api/v1/members/{user_id}": "the highest role is not given this way",
    "POST /api/v1/organization/erasure": "the name is the organization's own",
    "POST /api/v1/auth/token": "an organization's id, or nothing",
}
SHAPE_ONLY: Final = [positive_data_acceptance]
_QUIET: Final = {
    "deadline": None, "database": None, "derandomize": True, "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


@pytest.fixture
def schema(app: App, bench: Bench, served: ASGIApp) -> Any:
    """The document as programs get it, bound to the application as it is served."""
    hourly = dict.fromkeys(app.settings.hourly_limits, 10**9)
    app.settings = replace(app.settings, hourly_limits=hourly)
    found = schemathesis.openapi.from_dict(docs.schema(create_api(app)))
    found.app = served
    found.config.update(base_url=BASE)
    found.config.generation.update(allow_extra_parameters=False)
    return found


def operations(schema: Any) -> list[APIOperation]:
    found = [o.ok() for o in schema.get_all_operations()]
    assert len(found) >= 70
    return found


def fuzz(
    operation: APIOperation, mode: GenerationMode, check: Callable[[Case, bool], None], *,
    examples: int,
) -> None:
    """`check(case, known)`: `known` asks for ids that exist."""
    if mode is GenerationMode.NEGATIVE and operation.label == "GET /api/v1/health":
        return  # it takes nothing, so nothing can be wrong

    @settings(max_examples=examples, **_QUIET)
    @given(case=operation.as_strategy(generation_mode=mode), known=st.booleans())
    def run(case: Case, known: bool) -> None:
        check(case, known)

    run()


def holds_nul(case: Case) -> bool:
    """PostgreSQL stores no NUL, and no document can say so."""
    return "\\x00" in repr((case.body, case.query, case.path_parameters))


def collect(failures: list[str], operation: APIOperation, work: Callable[[], None]) -> None:
    """Run one operation; keep what is wrong with it so that all are told together."""
    try:
        work()
    except (FailureGroup, Exception) as error:
        failures.append(f"{operation.label}: {error}")


def test_L10_L77_L84_the_strongest_member_gets_what_the_document_says(
    schema: Any, bench: Bench, mine: Home, headers: Callable[[Role], dict[str, str]]
) -> None:
    failures: list[str] = []
    for operation in operations(schema):
        for mode in GenerationMode:
            bearer = headers(Role.SUPER_ADMIN)  # some acts end the one who asks
            real = dict(mine.ids)
            if mode is GenerationMode.POSITIVE and "{connection_id}" in operation.path:
                real["connection_id"] = str(bench.started())  # some acts end it

            def check(
                case: Case, known: bool, mode: GenerationMode = mode,
                bearer: dict[str, str] = bearer, real: dict[str, str] = real,
            ) -> None:
                if mode is GenerationMode.POSITIVE:
                    (case.headers or {}).pop("X-Organization-ID", None)
                    if known:
                        case.path_parameters = {
                            k: real.get(k, v) for k, v in (case.path_parameters or {}).items()
                        }
                more = case.operation.label in MORE_THAN_SHAPE or holds_nul(case)
                excluded = SHAPE_ONLY if more else []
                case.call_and_validate(headers=bearer, excluded_checks=excluded)

            collect(failures, operation, lambda o=operation, m=mode, c=check: fuzz(
                o, m, c, examples=3))
    assert not failures, "\n\n".join(failures)


def test_L1_L84_a_stranger_is_refused_as_the_document_says(schema: Any) -> None:
    failures: list[str] = []
    for operation in operations(schema):
        closed = bool(operation.definition.raw.get("security"))

        def check(case: Case, known: bool, closed: bool = closed) -> None:
            (case.headers or {}).pop("Authorization", None)
            answer = case.call_and_validate(excluded_checks=SHAPE_ONLY)
            assert not closed or answer.status_code == 401, answer.status_code

        collect(failures, operation, lambda o=operation, c=check: fuzz(
            o, GenerationMode.POSITIVE, c, examples=1))
    assert not failures, "\n\n".join(failures)


def test_L84_what_one_answer_gives_works_in_the_next_request(
    schema: Any, mine: Home, headers: Callable[[Role], dict[str, str]]
) -> None:
    machine = schema.as_state_machine()
    bearer = headers(Role.SUPER_ADMIN)
    made = []

    class Steps(machine):  # type: ignore[misc, valid-type]
        def get_call_kwargs(self, case: Case) -> dict[str, Any]:
            (case.headers or {}).pop("X-Organization-ID", None)
            return {"headers": bearer}

        def validate_response(self, response: Any, case: Case, **more: Any) -> None:
            made.append((case.operation.label, response.status_code))
            case.validate_response(
                response, transport_kwargs=more, recorder=self.recorder, excluded_checks=SHAPE_ONLY
            )

    Steps.run(settings=settings(max_examples=10, stateful_step_count=6, **_QUIET))
    assert len(made) > 30, made
