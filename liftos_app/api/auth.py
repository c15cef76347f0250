"""Tokens for programs: get, renew, end."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError
from starlette.exceptions import HTTPException

from liftos_app.api.deps import app_of, ip_of
from liftos_app.errors import Invalid
from liftos_app.services import tokens

router = APIRouter(prefix="/auth", tags=["Sign-in"])
_FORMS: Final = {"application/x-www-form-urlencoded", "multipart/form-data"}
_NOT_USED: Final = ("scope", "client_id", "client_secret", "token_type_hint")  # of OAuth 2 clients


def _is_text(value: SecretStr) -> SecretStr:
    """JSON can write half a character; no password and no token holds one."""
    if any("\ud800" <= sign <= "\udfff" for sign in value.get_secret_value()):
        raise ValueError("holds half a character")
    return value


Secret = Annotated[SecretStr, AfterValidator(_is_text)]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Credentials(_Input):
    """E-mail and password of a person."""

    email: str = Field(min_length=1, max_length=254)
    password: Secret = Field(min_length=1, max_length=1000)
    organization_id: str = Field(default="", max_length=40)
    code: Secret = Field(default=SecretStr(""), max_length=40)  # of the second factor


class RefreshInput(_Input):
    """A refresh token."""

    refresh_token: Secret = Field(min_length=1, max_length=1000)


class Tokens(BaseModel):
    """An access token and what renews it. Lives are in seconds."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105  (the name of the scheme)
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    organization_id: str
    scope: str = tokens.SCOPE


Model = TypeVar("Model", bound=BaseModel)


async def _fields(request: Request) -> dict[str, Any]:
    """The named values of a JSON object or of a form."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind in _FORMS:
        async with request.form(max_files=0, max_fields=20) as form:
            return {k: v for k, v in form.items() if isinstance(v, str) and v}
    if kind != "application/json":
        raise HTTPException(415, "Send JSON or a form")
    try:
        body = await request.json()
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "The body is not valid JSON") from error
    if not isinstance(body, dict):
        raise Invalid("The body must be a JSON object.")
    return body


def _checked(model: type[Model], fields: dict[str, Any], *, grants: set[str]) -> Model:
    if fields.pop("grant_type", min(grants)) not in grants:
        raise Invalid(
            "This kind of grant is not offered here.",
            fix=f"Use grant_type={min(grants)}.", field="grant_type",
        )
    for name in _NOT_USED:
        fields.pop(name, None)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_input=False, include_url=False)) from None


async def _credentials(request: Request) -> Credentials:
    fields = await _fields(request)
    if "username" in fields:  # the OAuth 2 password form
        fields["email"] = fields.pop("username")
    return _checked(Credentials, fields, grants={"password"})


async def _refresh_input(request: Request) -> RefreshInput:
    fields = await _fields(request)
    if "token" in fields:  # RFC 7009
        fields["refresh_token"] = fields.pop("token")
    return _checked(RefreshInput, fields, grants={"refresh_token"})


def _body(model: type[BaseModel]) -> dict[str, Any]:
    """What the OpenAPI page says of a body that is read by hand."""
    schema = model.model_json_schema()
    kinds = ("application/json", "application/x-www-form-urlencoded")
    return {"requestBody": {"required": True, "content": {k: {"schema": schema} for k in kinds}}}


@router.post("/token", openapi_extra=_body(Credentials))
def create_token(
    request: Request, response: Response, given: Annotated[Credentials, Depends(_credentials)]
) -> Tokens:
    """Get tokens for e-mail and password, and for the `code` of a second factor where there is
    one. At most ten failures a minute.
    """
    pair = tokens.sign_in(
        app_of(request), email=given.email, password=given.password.get_secret_value(),
        ip=ip_of(request), client=_client(request), organization=given.organization_id,
        code=given.code.get_secret_value(),
    )
    return _answer(response, pair)


@router.post("/refresh", openapi_extra=_body(RefreshInput))
def refresh_token(
    request: Request, response: Response, given: Annotated[RefreshInput, Depends(_refresh_input)]
) -> Tokens:
    """Exchange a refresh token for the next pair. Each token works once."""
    pair = tokens.refresh(
        app_of(request), given.refresh_token.get_secret_value(), ip=ip_of(request),
        client=_client(request),
    )
    return _answer(response, pair)


@router.post("/revoke", status_code=204, openapi_extra=_body(RefreshInput))
def revoke_token(
    request: Request, given: Annotated[RefreshInput, Depends(_refresh_input)]
) -> Response:
    """End a refresh token and all that came of it. Also answers 204 for one that is not known."""
    tokens.revoke(app_of(request), given.refresh_token.get_secret_value(), ip=ip_of(request))
    return Response(status_code=204)


def _client(request: Request) -> str:
    return f"{ip_of(request)}\x00{request.headers.get('user-agent', '')[:300]}"


def _answer(response: Response, pair: tokens.TokenPair) -> Tokens:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return Tokens(
        access_token=pair.access_token, expires_in=pair.expires_in,
        refresh_token=pair.refresh_token, refresh_expires_in=pair.refresh_expires_in,
        organization_id=str(pair.organization),
    )
