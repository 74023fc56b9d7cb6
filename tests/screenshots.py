"""Take the screenshots of the page in docs/page/ (`make screenshots`)."""

import argparse
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ViewportSize

from browser import Visit, chromium, store_stuck_builds
from service import REPAIRS, ROOT, Service, running, token
from vela import Tables

TARGET = ROOT / "docs" / "page"


def repaired(service: Service) -> None:
    """Repair some builds, and overwrite one of them as a worker would."""
    wanted = {"where": {"ids": [31, 33, 34, 36]}, "set": {"status": "error", "error": "worker w1 lost its disk"}}
    service.carry_out(REPAIRS, wanted | {"reason": "worker w1 lost its disk, OPS-17"})
    by_worker: dict[str, Any] = {"Authorization": f"Bearer {token(sub='vela-worker')}"}
    service.put(service.find(34) | {"status": "success", "error": ""}, **by_worker)


def stuck(page: Page) -> None:
    for number in (40, 39, 38):
        page.locator(f"#select-{number}").check()


def repair(page: Page) -> None:
    page.get_by_label("error, the message").fill("worker w1 lost its disk")
    page.get_by_label("reason, kept with the repair").fill("worker w1 lost its disk, OPS-17")
    page.get_by_text("w1 lost its disk").nth(2).wait_for()
    page.locator("#apply[aria-disabled=false]").wait_for()


def edit(page: Page) -> None:
    page.locator("#f-status").select_option("killed")
    page.locator("#f-host").fill("w3")
    page.get_by_role("button", name="Review 2 changes").click()
    page.get_by_role("button", name="Save 2 changes").wait_for()


def undo(page: Page) -> None:
    page.get_by_label("reason, kept with the repair").fill("the disk is back")
    page.locator("#apply[aria-disabled=false]").wait_for()


#: The address of each view, what to do there before the screenshot, and whether to capture the full page.
VIEWS: dict[str, tuple[str, Any, bool]] = {
    "stuck": ("#/stuck", stuck, False),
    "repair": ("#/repair?host=w1&status=running", repair, False),
    "builds": ("#/builds", None, False),
    "build": ("#/builds/34", None, False),
    "edit": ("#/builds/38/edit", edit, False),
    "history": ("#/builds/34/history", None, True),
    "revision": ("#/builds/34/history/2", None, True),
    "repairs": ("#/repairs", None, True),
    "one-repair": ("#/repairs/1", None, True),
    "undo": ("#/repairs/1/undo", undo, True),
    "create": ("#/builds/new", None, False),
}

#: The views that are also captured in the dark colour scheme, and in a narrow window.
DARK = ["stuck"]
NARROW = ["repair"]


def take(visit: Visit, folder: Path, names: list[str], suffix: str = "") -> None:
    """Take a screenshot of each of the views `names`."""
    page = visit.open("#/nothing")
    for name in names:
        address, act, whole = VIEWS[name]
        page.evaluate("address => { location.hash = address }", address)
        page.locator("main[aria-busy]").wait_for(state="detached")
        if act:
            act(page)
        if name != "edit":
            page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=folder / f"{name}{suffix}.png", full_page=whole)


def main() -> None:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=TARGET)
    parser.add_argument("--builds", type=int, default=40)
    parser.add_argument("--all", action="store_true", help="also every view dark and narrow")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        tables = Tables({"DATA": data})
        tables.make()
        with running(DATA=data, stderr=subprocess.DEVNULL) as service, chromium() as browser:
            store_stuck_builds(service, tables, builds=options.builds)
            if options.builds >= 36:
                repaired(service)
            wide, narrow = ViewportSize(width=1180, height=560), ViewportSize(width=320, height=700)
            names = list(VIEWS)
            take(Visit(browser.new_context(viewport=wide), service.url), options.folder, names)
            dark = browser.new_context(viewport=wide, color_scheme="dark")
            take(Visit(dark, service.url), options.folder, names if options.all else DARK, "-dark")
            small = browser.new_context(viewport=narrow, color_scheme="dark")
            take(Visit(small, service.url), options.folder, names if options.all else NARROW, "-narrow")


if __name__ == "__main__":
    main()
