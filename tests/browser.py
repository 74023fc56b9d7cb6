"""A real browser on the page: Debian's Chromium, driven by Playwright."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from service import Service, token
from vela import Tables

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed here: apt-get install chromium")

DAY = 86_400

#: Where the page is not to be found fault with: what breaks its policy, and what asks anybody but its own service.
_WATCH = "addEventListener('securitypolicyviolation', (event) => console.error(`CSP ${event.violatedDirective}`))"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser; it needs no display."""
    with sync_playwright() as playwright:
        # Root, as which CI runs, has no sandbox.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A tab on the page of a service, and what went wrong in it."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.wrong: list[str] = []
        context.add_init_script(_WATCH)
        self.page: Page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("pageerror", lambda error: self.wrong.append(f"{error}"))
        self.page.on("console", lambda line: self.wrong.append(line.text) if line.text.startswith("CSP") else None)
        self.page.on("request", lambda sent: None if sent.url.startswith(url) else self.wrong.append(sent.url))

    def go(self, address: str = "") -> Page:
        """Go to an address of the page, `#/builds`; this does not wait for what is there."""
        self.page.goto(f"{self.url}/{address}")
        return self.page

    def enter(self, given: str = "") -> None:
        """Paste a token where one is asked for."""
        self.page.get_by_label("Token of an administrator").fill(given or token())
        self.page.get_by_role("button", name="Go on", exact=True).click()

    def open(self, address: str = "") -> Page:
        """Go to an address with a new token, and wait for the view."""
        self.go(address)
        self.enter()
        return self.settled()

    def settled(self) -> Page:
        """Wait until a view is there, and return the tab."""
        self.page.locator("main:not([aria-busy]) h1").wait_for()
        return self.page


def lose_answer(route: Route) -> None:
    """Let a request arrive, and its answer not, as a connection that is lost between the two does."""
    route.fetch()
    route.abort()


def violations(page: Page, *rules: str) -> list[str]:
    """Return what axe finds, by all its rules or by those that are named."""
    options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
    found: dict[str, Any] = Axe().run(page, options=options).response
    return [f"{rule['id']}: {node['html']}" for rule in found["violations"] for node in rule["nodes"]]


def a_bad_night(service: Service, tables: Tables, *, first: int = 1, builds: int = 40) -> None:
    """Store builds as they are after worker w1 has died; w2 is alive and still runs two of them."""
    for name in ("spoon-knife", "hello-world"):
        tables.insert("repos", org="octocat", name=name, full_name=f"octocat/{name}", counter=10_000)
    now = int(time.time())
    alive: list[int] = []
    for number in range(first, first + builds):
        host = ("w1", "w1", "w2")[number % 3]
        waits = number % 4 == 0
        began = now - 3 * DAY - 600 * number
        if host == "w2" and not waits and len(alive) < 2:
            alive.append(number)
        service.create(
            id=number, repo_id=1 + number % 2, number=number, status="pending" if waits else "running", parent=0,
            created=began, enqueued=began + 1, started=0 if waits else began + 9, finished=0,
            host="" if waits else host,
            branch="main" if number % 5 else "mend-the-roof", title="push received from https://git.example/octocat",
            message="Mend the roof before it rains\n\nIt has rained already.", link=f"https://vela.example/{number}",
        )  # fmt: skip
    names = "{" + ",".join(map(str, alive)) + "}"
    busy = {"active": True, "status": "busy"}
    tables.insert("workers", hostname="w1", running_build_ids="{}", last_checked_in=now - 2 * DAY, **busy)
    tables.insert("workers", hostname="w2", running_build_ids=names, last_checked_in=now - 20, **busy)
