"""People over REST: organizations, members, invitations, sessions, API keys."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from liftos_app.api.deps import ContextDep
from liftos_app.api.people_models import (
    ApiKeyCreate,
    ApiKeyMade,
    ApiKeyOut,
    EndedOut,
    InvitationCreate,
    InvitationMade,
    InvitationOut,
    MemberChange,
    MemberOut,
    MeOut,
    OrganizationCreate,
    OrganizationOut,
    PermissionOut,
    SessionOut,
)
from liftos_app.api.shapes import Listed
from liftos_app.errors import Missing
from liftos_app.models import Organization, Role, User
from liftos_app.services import access, api_keys, invitations, people, sessions
from liftos_app.services.context import Context

router = APIRouter(tags=["People"])


@router.get("/me")
def whoami(ctx: ContextDep) -> MeOut:
    """The person behind the token or key, and what it may do in this organization."""
    user = ctx.session.get(User, ctx.who.user_id)
    if user is None or ctx.who.role is None:
        raise Missing("This person does not exist.")
    return MeOut(
        id=user.id, email=user.email, name=user.name, role=ctx.who.role,
        organization_id=ctx.session.get_one(Organization, ctx.org).public_id,
        permissions=[name for name in access.PERMISSIONS if ctx.can(name)],
    )


@router.get("/permissions")
def permissions(ctx: ContextDep) -> Listed[PermissionOut]:
    """The whole permission matrix."""
    ctx.require("organization.read")
    return Listed(data=[
        PermissionOut(
            permission=name, allows=words,
            roles=[r for r, held in zip(access.ORDER, holds, strict=True) if held],
        )
        for name, words, holds in access.matrix()
    ])


@router.get("/organizations")
def list_organizations(ctx: ContextDep) -> Listed[OrganizationOut]:
    """Your organizations. Send one's id as X-Organization-ID to act for it."""
    return Listed(data=[OrganizationOut.of(h) for h in people.my_organizations(ctx)])


@router.post("/organizations", status_code=201)
def create_organization(ctx: ContextDep, body: OrganizationCreate) -> OrganizationOut:
    """A new, empty organization with you as its administrator."""
    made = people.create_organization(ctx, body.name)
    return OrganizationOut(
        id=made.public_id, name=made.name, role=ctx.who.role or Role.ADMIN, here=False
    )


@router.get("/members")
def list_members(ctx: ContextDep) -> Listed[MemberOut]:
    """Everybody in the organization."""
    return Listed(data=[MemberOut.of(m) for m in people.list_members(ctx)])


@router.patch("/members/{user_id}")
def change_member(ctx: ContextDep, user_id: UUID, body: MemberChange) -> MemberOut:
    """Give a member another role. Needs a sign-in of the last five minutes (code proof_needed)."""
    if body.role is not None:
        people.set_role(ctx, user_id, body.role)
    if body.super_admin is not None:
        people.set_super_admin(ctx, user_id, on=body.super_admin)
    if body.disabled is not None:
        people.set_disabled(ctx, user_id, on=body.disabled)
    ctx.session.flush()
    found = [m for m in people.list_members(ctx) if m.user_id == user_id]
    if not found:
        raise Missing("This person does not exist.", why="Or is no member of the organization.")
    return MemberOut.of(found[0])


@router.delete("/members/{user_id}", status_code=204)
def remove_member(ctx: ContextDep, user_id: UUID) -> Response:
    """Take a member out. Needs a sign-in of the last five minutes."""
    people.remove(ctx, user_id)
    return Response(status_code=204)


@router.get("/members/{user_id}/sessions")
def member_sessions(ctx: ContextDep, user_id: UUID) -> Listed[SessionOut]:
    """The browsers in which a member looks at this organization."""
    return Listed(data=[SessionOut.of(s) for s in people.sessions_of(ctx, user_id)])


@router.delete("/members/{user_id}/sessions")
def end_member_sessions(ctx: ContextDep, user_id: UUID) -> EndedOut:
    """Sign a member out of this organization everywhere."""
    return EndedOut(sessions_ended=people.end_sessions_of(ctx, user_id))


@router.get("/invitations")
def list_invitations(ctx: ContextDep) -> Listed[InvitationOut]:
    """Open invitations, newest first."""
    return Listed(data=[InvitationOut.of(i) for i in invitations.list_open(ctx)])


@router.post("/invitations", status_code=201)
def invite(ctx: ContextDep, body: InvitationCreate, response: Response) -> InvitationMade:
    """Invite somebody. The link works once, for seven days; it is not shown again."""
    return _made(ctx, invitations.create(ctx, email=body.email, role=body.role), response)


@router.post("/invitations/{invitation_id}/resend")
def invite_again(ctx: ContextDep, invitation_id: UUID, response: Response) -> InvitationMade:
    """A new link and seven more days; the old link ends."""
    return _made(ctx, invitations.resend(ctx, invitation_id), response)


@router.delete("/invitations/{invitation_id}", status_code=204)
def withdraw_invitation(ctx: ContextDep, invitation_id: UUID) -> Response:
    """Withdraw an invitation."""
    invitations.revoke(ctx, invitation_id)
    return Response(status_code=204)


@router.get("/sessions")
def list_sessions(ctx: ContextDep) -> Listed[SessionOut]:
    """Your signed-in browsers, newest first."""
    return Listed(data=[SessionOut.of(s) for s in sessions.list_mine(ctx)])


@router.delete("/sessions")
def end_all_sessions(ctx: ContextDep) -> EndedOut:
    """Sign out of every browser."""
    return EndedOut(sessions_ended=sessions.end_everywhere(ctx))


@router.delete("/sessions/{session_id}", status_code=204)
def end_session(ctx: ContextDep, session_id: UUID) -> Response:
    """Sign one browser out."""
    sessions.end_mine(ctx, session_id)
    return Response(status_code=204)


@router.get("/api-keys")
def list_keys(ctx: ContextDep) -> Listed[ApiKeyOut]:
    """Your keys in this organization, newest first; ended ones too."""
    return Listed(data=[ApiKeyOut.of(ctx, k) for k in api_keys.list_mine(ctx)])


@router.post("/api-keys", status_code=201)
def create_key(ctx: ContextDep, body: ApiKeyCreate, response: Response) -> ApiKeyMade:
    """A new key, shown this once. Needs a sign-in of the last five minutes; no key makes keys."""
    made = api_keys.create(ctx, name=body.name, scopes=body.scopes, days=body.days)
    response.headers["Cache-Control"] = "no-store"
    return ApiKeyMade(**ApiKeyOut.of(ctx, made.key).model_dump(), key=made.text)


@router.delete("/api-keys/{key_id}", status_code=204)
def revoke_key(ctx: ContextDep, key_id: UUID) -> Response:
    """End a key: your own, or as an administrator any of the organization."""
    api_keys.revoke(ctx, key_id)
    return Response(status_code=204)


def _made(ctx: Context, made: invitations.Made, response: Response) -> InvitationMade:
    response.headers["Cache-Control"] = "no-store"
    return InvitationMade(
        **InvitationOut.of(made.invitation).model_dump(),
        link=made.link(ctx.settings.public_url), mailed=made.mailed,
    )
