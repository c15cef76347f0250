"""Signing in with X: every request carries an OAuth 1.0a signature of app and person."""

from __future__ import annotations

from liftos_app.services.connectors import oauth1
from liftos_app.services.connectors.client import Credential, Request
from liftos_app.services.connectors.spec import AuthMethod, Input, OAuth1, Scope


def authorize(request: Request, credential: Credential) -> None:
    """Sign a request with the four keys."""
    oauth1.sign(
        request,
        oauth1.Keys(
            credential.text("client_id"),
            credential.text("client_secret"),
            credential.text("access_token"),
            credential.text("access_token_secret"),
        ),
    )


SCOPES = (
    Scope(
        name="read",
        reason="Read ad accounts, campaigns and their results: the app permission Read.",
        without="Nothing can be read at all.",
        required=False,  # X does not tell what was granted: a refusal shows it
        asked=False,
    ),
)

_KEY = Input(
    name="client_id",
    label="API key",
    help="In the X developer console, your app, Keys and tokens: API key (consumer key).",
    placeholder="about 25 letters and digits",
    pattern=r"[A-Za-z0-9]{10,80}",
    wrong="An API key has only letters and digits, mostly 25.",
    refuse=(
        (r"^\d+-", "This is an access token. The API key has no dash."),
        (r"[:=_]|[A-Za-z0-9]-", "This is an OAuth 2.0 client id. Enter the API key of OAuth 1.0a."),
    ),
)
_SECRET = Input(
    name="client_secret",
    label="API key secret",
    help="Beside the API key; it is shown once, and can be made anew.",
    secret=True,
    placeholder="about 50 letters and digits",
    pattern=r"[A-Za-z0-9]{20,120}",
    wrong="An API key secret has only letters and digits, mostly 50.",
    refuse=(
        (r"^\d+-", "This is an access token. The API key secret has no dash."),
        (r"^AAAA", "This is a bearer token, which X's ads interface does not take."),
    ),
)

TOKEN = AuthMethod(
    id="token",
    kind="key",
    title="Paste the four keys of your own app",
    summary="For most people: your app reads the ad accounts of the person who owns it.",
    inputs=(
        _KEY,
        _SECRET,
        Input(
            name="access_token",
            label="Access token",
            help="On the same page, below: access token and secret of your own user.",
            secret=True,
            placeholder="2417000000-...",
            pattern=r"\d{1,20}-[A-Za-z0-9]{20,}",
            wrong="An access token begins with the digits of your user id and a dash.",
            refuse=((r"^AAAA", "This is a bearer token, which X's ads interface does not take."),),
        ),
        Input(
            name="access_token_secret",
            label="Access token secret",
            help="Shown once together with the access token.",
            secret=True,
            placeholder="about 45 letters and digits",
            pattern=r"[A-Za-z0-9]{20,120}",
            wrong="An access token secret has only letters and digits, mostly 45.",
            refuse=((r"^\d+-", "This is the access token. Its secret has no dash."),),
        ),
    ),
    access_life="Without end, until it is taken back or made anew.",
    steps=(
        "Open console.x.com and create a project with an app; permission Read is enough.",
        "Ask X for access to the Ads API for this app, and wait for the answer.",
        "Have your user added to the ad account as Campaign analyst or more.",
        "In Keys and tokens, make the API key and the access token, and copy all four values here.",
    ),
)

OAUTH = AuthMethod(
    id="oauth",
    kind="oauth1",
    title="Sign in with X",
    summary="For agencies: each person signs in on X's own page with your approved app.",
    inputs=(_KEY, _SECRET),
    oauth1=OAuth1(
        request_url="https://api.x.com/oauth/request_token",
        authorize_url="https://api.x.com/oauth/authorize",
        access_url="https://api.x.com/oauth/access_token",
        revoke_url="https://api.x.com/1.1/oauth/invalidate_token",
    ),
    access_life="Without end, until it is taken back.",
    steps=(
        "Open console.x.com and create a project with an app; permission Read is enough.",
        "Ask X for access to the Ads API for this app, and wait for the answer.",
        "In the app's user authentication settings, add the redirect address below.",
        "Copy the API key and its secret from Keys and tokens into the fields here.",
    ),
)
