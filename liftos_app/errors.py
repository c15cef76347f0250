"""Every failure a person can meet. The kind decides HTTP status, retry and status pill."""

from __future__ import annotations


class LiftOSError(Exception):
    """A failure we can explain.

    LiftOSError
      Denied          the role does not allow it            403
      SignInNeeded    nobody is signed in                   401
        ProofNeeded   a sensitive act: prove it is you      401
      Missing         it is not there, or not yours         404
      Invalid         an input is wrong                     422
      Conflict        it changed meanwhile                  409
      Gone            it was here and was deleted           410
      TooMany         a rate limit of ours                  429
      Unavailable     ours is busy or down, try later       503
      OurFault        ours, and no platform's               500
        Interrupted   its process died again and again      500
      PlatformFault   the platform said no                  502
        Retry           later, on its own
        SignInAgain     a person must authorise
        Fix             a person must change a setting
        GiveUp          report it; retrying cannot help

    `what`, `why` and `fix` are for people. `facts` are for logs and pass through redaction;
    `facts["field"]` names the input that was wrong, `facts["request_id"]` the platform's own id.
    """

    status = 500
    code = "internal"

    def __init__(self, what: str, *, why: str = "", fix: str = "", **facts: object) -> None:
        super().__init__(what)
        self.what, self.why, self.fix, self.facts = what, why, fix, facts

    def sentence(self) -> str:
        """What happened, why, and what to do, as one text."""
        return " ".join(part for part in (self.what, self.why, self.fix) if part)


class Denied(LiftOSError):
    """The role does not allow it."""

    status, code = 403, "denied"


class SignInNeeded(LiftOSError):
    """Nobody is signed in, or the session ended."""

    status, code = 401, "sign_in_needed"


class ProofNeeded(SignInNeeded):
    """Signed in, but a sensitive act asks for the password or the second factor once more."""

    status, code = 401, "proof_needed"


class Missing(LiftOSError):
    """It is not there, or belongs to another organization: both answer alike."""

    status, code = 404, "missing"


class Invalid(LiftOSError):
    """An input is wrong."""

    status, code = 422, "invalid"


class Conflict(LiftOSError):
    """It changed meanwhile, or the step came in the wrong order."""

    status, code = 409, "conflict"


class Gone(LiftOSError):
    """What an answer told of has been deleted since."""

    status, code = 410, "gone"


class TooMany(LiftOSError):
    """One of our own limits; `facts["retry_after"]` is in seconds."""

    status, code = 429, "too_many"


class Unavailable(LiftOSError):
    """Ours is busy or down."""

    status, code = 503, "unavailable"


class OurFault(LiftOSError):
    """LiftOS itself failed; the platform has no part in it."""

    code = "our_fault"


class Interrupted(OurFault):
    """A process ended in the middle of its work, again and again."""

    code = "process_died"


class PlatformFault(LiftOSError):
    """The platform said no. `cause` is one of the classes of product.md section 9.

    cause: credential, permission, quota, platform_outage, bad_configuration, source_data, our_fault
    owner: you, your_platform_admin, the_platform, liftos
    A fact `action` names the button where the class alone does not: settings (what was entered at
    the sign-in), accounts, definition (of a stream), schema.
    """

    status, code = 502, "platform_fault"
    cause = "our_fault"
    owner = "liftos"

    def __init__(
        self, what: str, *, why: str = "", fix: str = "", cause: str = "", owner: str = "",
        **facts: object,
    ) -> None:
        super().__init__(what, why=why, fix=fix, **facts)
        self.cause = cause or type(self).cause
        self.owner = owner or type(self).owner


class Retry(PlatformFault):
    """Later, on its own. `after` is in seconds, None when the platform named no time."""

    code = "platform_retry"
    cause, owner = "platform_outage", "the_platform"

    def __init__(
        self, what: str, *, why: str = "", fix: str = "", after: float | None = None,
        cause: str = "", owner: str = "", **facts: object,
    ) -> None:
        super().__init__(what, why=why, fix=fix, cause=cause, owner=owner, **facts)
        self.after = after


class Quota(Retry):
    """A quota is used up until `after` seconds have passed. Not a failure: rows and cursor stay."""

    code = "platform_quota"
    cause = "quota"


class SignInAgain(PlatformFault):
    """A person must authorise again."""

    status, code = 409, "sign_in_again"
    cause, owner = "credential", "you"


class Fix(PlatformFault):
    """A person must change a setting, here or on the platform."""

    status, code = 409, "fix_setting"
    cause, owner = "bad_configuration", "you"


class GiveUp(PlatformFault):
    """Report it; retrying cannot help."""

    code = "platform_gave_up"
    cause, owner = "our_fault", "liftos"
