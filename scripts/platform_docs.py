"""Write the generated part of each docs/platforms/<id>.md from what the connectors declare.

`python scripts/platform_docs.py` rewrites the parts between the markers; `--check` only compares
and fails when one is out of date. What stands outside the markers is written by people.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from liftos_app.services.connectors import registry  # noqa: E402
from liftos_app.services.connectors.spec import AuthMethod, Platform, Stream  # noqa: E402

FOLDER = ROOT / "docs" / "platforms"
BEGIN = "<!-- generated from the connector: python scripts/platform_docs.py -->"
DEFINED = (
    "You define them: choose a source, say what its rows are (daily figures by campaign, orders, "
    "CRM records or payments) and which column is which field. The wizard proposes a mapping and "
    "shows real rows beside what becomes of them."
)
END = "<!-- end of the generated part -->"


def generated(platform: Platform) -> str:
    """What the connector declares, as Markdown between the markers."""
    low, high = platform.setup_minutes
    ends = f", ends {platform.version_ends}" if platform.version_ends else ""
    parts = [
        BEGIN,
        f"{platform.summary}\n",
        "| What | |\n|---|---|\n"
        f"| Category, tier | {platform.category}, {platform.tier} |\n"
        f"| Interface version | {platform.api_version}{ends} |\n"
        f"| Set-up | {low} to {high} minutes |\n"
        f"| Needed on the platform | {platform.role_needed} |\n"
        f"| History | {platform.history} |\n"
        f"| Delay of the platform | {platform.latency} |\n"
        f"| Requests a minute, at most | {platform.requests_per_minute} |\n"
        f"| Vendor's documentation | {platform.docs_url} |",
        "\n## Ways to sign in\n",
        *(_method(m) for m in platform.auth),
        "## Permissions\n",
        _scopes(platform),
        "\n## Streams\n",
        *([DEFINED] if platform.define else []),
        *_table(platform),
        *_abouts(platform),
    ]
    if platform.never:
        parts += ["\n## What LiftOS never does\n", *(f"- {line}" for line in platform.never)]
    return "\n".join([*parts, END])


def _table(platform: Platform) -> list[str]:
    if not platform.streams:
        return []
    return [
        "| Stream | One row is | Read back each time | Settled after | Chosen by default |\n"
        "|---|---|---|---|---|",
        *(_stream(s) for s in platform.streams),
    ]


def _method(method: AuthMethod) -> str:
    lines = [f"**{method.title}** (`{method.id}`). {method.summary}"]
    if method.access_life:
        lines.append(f"Life of the access: {method.access_life.rstrip('.')}.")
    if method.oauth and method.oauth.authorize_url:
        said = "its code is bound to us by PKCE." if method.oauth.pkce else (
            f"without PKCE. {method.oauth.without_pkce}"
        )
        lines.append(f"The consent page: {said}")
    lines += [f"{i}. {step}" for i, step in enumerate(method.steps, 1)]
    names = [f"`{i.name}`{'' if i.required else ' (optional)'}" for i in method.inputs]
    lines.append(f"\nYou enter: {', '.join(names) or 'nothing'}.\n")
    return "\n".join(lines)


def _scopes(platform: Platform) -> str:
    if not platform.scopes:
        return "None to choose: the key or role decides."
    rows = [
        f"| `{s.name}` | {s.reason} | {'yes' if s.required else 'no'} | {s.without} |"
        for s in platform.scopes
    ]
    return "\n".join(["| Scope | Why | Required | Without it |", "|---|---|---|---|", *rows])


def _stream(stream: Stream) -> str:
    window = stream.window
    back = f"{window.reread_days} days" if window and not stream.cursor else ""
    how = back or ("changes only" if stream.cursor else "everything")
    settled = f"{window.settle_days} days" if window else ""
    default = "yes" if stream.default else "no"
    return f"| {stream.title} (`{stream.name}`) | {stream.grain} | {how} | {settled} | {default} |"


def _abouts(platform: Platform) -> list[str]:
    told = [f"- **{s.title}**: {s.about}" for s in platform.streams if s.about]
    return ["", *told] if told else []


def updated(platform: Platform) -> tuple[Path, str, str]:
    """The file, its text now, and its text as it should be."""
    path = FOLDER / f"{platform.slug}.md"
    now = path.read_text(encoding="utf-8") if path.exists() else f"# {platform.name}\n\n"
    if BEGIN in now:
        head, _, rest = now.partition(BEGIN)
        return path, now, head + generated(platform) + rest.partition(END)[2]
    return path, now, now.rstrip() + "\n\n" + generated(platform) + "\n"


def main(*, check: bool) -> int:
    """Write or compare every file. Returns how many were out of date."""
    old = 0
    for platform in registry.all_platforms():
        path, now, wanted = updated(platform)
        if now != wanted:
            old += 1
            print(f"{'Out of date' if check else 'Wrote'}: {path.relative_to(ROOT)}")
            if not check:
                path.write_text(wanted, encoding="utf-8")
    return old


if __name__ == "__main__":
    sys.exit(1 if main(check="--check" in sys.argv) and "--check" in sys.argv else 0)
