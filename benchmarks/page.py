"""Start, memory, script weight, first paint, and the time from a click to the changed page."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.sync import free_port

ROOT = Path(__file__).resolve().parent.parent
EMAIL, PASSWORD = "bench@larkspur.example", "a quiet harbour in winter"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
CLICKS = 40
VISITS = 7
# When the browser first paints what a selector names, in its own clock since the visit began. The
# driver's own waiting looks every half second only.
PAINTED = """(() => {
  const look = () => {
    const found = document.querySelector(%s);
    if (found && found.getBoundingClientRect().height > 0)
      requestAnimationFrame(() => setTimeout(() => { window.paintedAt = performance.now(); }));
    else requestAnimationFrame(look);
  };
  look();
})()"""
# One click on the chart's table switch, timed in the page from the event to the changed DOM.
CLICK = """() => new Promise((done) => {
  const buttons = [...document.querySelectorAll('button')];
  const button = buttons.find((b) => /View as/.test(b.textContent));
  const began = performance.now();
  const seen = new MutationObserver(() => {
    seen.disconnect();
    requestAnimationFrame(() => done(performance.now() - began));
  });
  seen.observe(button.closest('section'), {subtree: true, childList: true, characterData: true});
  button.click();
})"""


class Running:
    """A `liftos serve` of our own."""

    def __init__(self, home: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **os.environ,
            "PORT": str(self.port),
            "LIFTOS_HOME": home,
            "LOG_LEVEL": "ERROR",
            "LIFTOS_ADMIN_EMAIL": EMAIL,
            "RATE_LIMIT_ANALYTICS": "1000000",
            "LIFTOS_ADMIN_PASSWORD": PASSWORD,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Seconds from the command to the first healthy answer."""
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "liftos_app.cli", "serve"],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/api/v1/health", timeout=1):
                    return time.perf_counter() - began
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, "the server stopped"
                time.sleep(0.02)

    def stop(self) -> None:
        """End it and wait."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(30)

    def memory(self) -> float:
        """Resident megabytes of all its processes."""
        assert self.process is not None
        total = 0
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                text = status.read_text()
            except OSError:
                continue
            group = os.getpgid(int(status.parent.name)) if status.parent.exists() else 0
            if group == self.process.pid:
                line = next((x for x in text.splitlines() if x.startswith("VmRSS")), "VmRSS: 0 kB")
                total += int(line.split()[1])
        return total / 1024


@contextmanager
def filled() -> Iterator[Running]:
    """A server whose organization holds the sandbox's data."""
    with tempfile.TemporaryDirectory(prefix="liftos-bench-") as home:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "liftos_app.cli", "demo"],
            cwd=ROOT,
            check=True,
            env={**os.environ, "LIFTOS_HOME": home, "LOG_LEVEL": "ERROR"},
            stdout=subprocess.DEVNULL,
        )
        took = time.perf_counter() - began
        print(f"| look-around, all platforms, 90 days, from empty | {took:.1f} s |")
        server = Running(home)
        try:
            yield server
        finally:
            server.stop()


def signed_in(browser: Browser, url: str) -> Any:
    """A context with a session cookie."""
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto("/login")
    page.fill("input[name=email]", EMAIL)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_selector(".lo-kpi-value")
    return context


def weight(browser: Browser, url: str, cookies: Any, path: str) -> tuple[float, float]:
    """Gzip kilobytes of scripts on a cold visit, and milliseconds to the painted content."""
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 900})
    context.add_cookies(cookies)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    kinds: dict[str, str] = {}
    sizes: dict[str, float] = {}
    session.on("Network.responseReceived", lambda e: kinds.__setitem__(e["requestId"], e["type"]))
    session.on(
        "Network.loadingFinished",
        lambda e: sizes.__setitem__(e["requestId"], e["encodedDataLength"]),
    )
    ready = ".js-plotly-plot .main-svg" if path == "/" else "main h1"
    page.add_init_script(PAINTED % json.dumps(ready))
    page.goto(path)
    page.wait_for_selector(ready, timeout=30_000)
    page.wait_for_load_state("networkidle")
    painted = page.evaluate("window.paintedAt")
    scripts = sum(sizes.get(i, 0) for i, kind in kinds.items() if kind == "Script") / 1024
    context.close()
    return scripts, painted


def clicks(page: Page) -> list[float]:
    """Milliseconds of many clicks, each from the event to the changed DOM."""
    times = []
    for _ in range(CLICKS):
        times.append(page.evaluate(CLICK))
        page.wait_for_timeout(60)
    return times


def spread(times: list[float]) -> str:
    """p50 and p95 in words."""
    cuts = statistics.quantiles(times, n=20)
    return f"p50 {statistics.median(times):.0f} ms, p95 {cuts[18]:.0f} ms"


def keep_syncing(url: str) -> list[str]:
    """Ask for a full re-sync of every connection; returns their sync addresses."""
    http = httpx.Client(base_url=f"{url}/api/v1", timeout=60, trust_env=False)
    token = http.post("/auth/token", json={"email": EMAIL, "password": PASSWORD}).json()
    http.headers["Authorization"] = f"Bearer {token['access_token']}"
    found = http.get("/platform-connections/connections").json()["data"]
    paths = []
    for connection in found:
        path = f"/platform-connections/connections/{connection['id']}/sync"
        body = {"start": "2026-08-27", "end": time.strftime("%Y-%m-%d")}
        answer = http.post(path, json=body)
        if answer.status_code == 202:
            paths.append(f"{path}/{answer.json()['sync_id']}")
    return paths


def main() -> None:
    """Print the table for docs/benchmarks.md."""
    sys.path.insert(0, str(ROOT / "scripts"))
    import find_chromium

    print("\n## The page\n\n| What | Measured |\n|---|---|")
    with filled() as server, sync_playwright() as driver:
        server.start()  # the first start creates the administrator
        server.stop()
        starts = []
        for _ in range(3):
            starts.append(server.start())
            if len(starts) < 3:
                server.stop()
        middle = sorted(starts)[1]
        print(f"| prebuilt cold start to first healthy answer, median of 3 | {middle:.2f} s |")
        time.sleep(10)
        print(f"| idle memory, all processes | {server.memory():.0f} MB |")
        browser = driver.chromium.launch(executable_path=find_chromium.find(), args=ARGS)
        context = signed_in(browser, server.url)
        cookies = context.cookies()
        for name, path in (
            ("Overview (charts)", "/"),
            ("Connections", "/connections"),
            ("Data quality", "/quality"),
            ("Settings", "/settings"),
        ):
            runs = [weight(browser, server.url, cookies, path) for _ in range(VISITS)]
            scripts, painted = runs[0][0], statistics.median(r[1] for r in runs)
            print(
                f"| {name}: script, gzip; painted on a cold visit, median of {VISITS} "
                f"| {scripts:.0f} KB; {painted:.0f} ms |"
            )
        page = context.pages[0]
        page.goto("/")
        page.wait_for_selector(".js-plotly-plot .main-svg")
        clicks(page)
        print(f"| click to changed page, quiet | {spread(clicks(page))} |")
        running = keep_syncing(server.url)
        print(f"| the same while {len(running)} syncs run | {spread(clicks(page))} |")
        print(f"| memory afterwards | {server.memory():.0f} MB |")
        browser.close()


if __name__ == "__main__":
    main()
