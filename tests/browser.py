"""Chromium on the page, driven by Playwright."""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from service import Service, token
from vela import Tables

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed here: apt-get install chromium")

DAY = 86_400

#: Reports violations of the content security policy on the console, where Visit finds them.
_WATCH = "addEventListener('securitypolicyviolation', (event) => console.error(`CSP ${event.violatedDirective}`))"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser, without a display."""
    with sync_playwright() as playwright:
        # The sandbox does not work for root, as which CI runs.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A tab on the page of a service.

    Attributes:
        url: the address of the service.
        wrong: script errors, violations of the content security policy, and requests to other servers.
        page: the tab.

    """

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
        """Go to an address of the page, such as `#/builds`, without waiting for the view."""
        self.page.goto(f"{self.url}/{address}")
        return self.page

    def enter(self, given: str = "") -> None:
        """Enter a token on the view that asks for it."""
        self.page.get_by_label("Administrator's token").fill(given or token())
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def open(self, address: str = "") -> Page:
        """Go to an address with a new token, and wait for the view."""
        self.go(address)
        self.enter()
        return self.settled()

    def settled(self) -> Page:
        """Wait until the view is complete, and return the tab."""
        self.page.locator("main:not([aria-busy]) h1").wait_for()
        return self.page


#: The type of the fixture `visits`.
Visits = Callable[..., Visit]


def shows(page: Page, words: str) -> None:
    """Wait until the view shows these words."""
    expect(page.locator("main").get_by_text(words).first).to_be_visible()


def lose_response(route: Route) -> None:
    """Send a request but drop its response, as when the connection is lost in between."""
    route.fetch()
    route.abort()


def violations(page: Page, *rules: str) -> list[str]:
    """Return the violations that axe finds, of all its rules or of those given."""
    options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
    found: dict[str, Any] = Axe().run(page, options=options).response
    return [f"{rule['id']}: {node['html']}" for rule in found["violations"] for node in rule["nodes"]]


def store_stuck_builds(service: Service, tables: Tables, *, first: int = 1, builds: int = 40) -> None:
    """Store builds that are stuck because worker w1 has died. Worker w2 is alive and still runs two of them."""
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
