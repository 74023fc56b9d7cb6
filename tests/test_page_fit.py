"""The page in a browser: accessibility, hostile text in builds, and a path prefix."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import waitress
from playwright.sync_api import Page, expect

from browser import Visit, Visits, needs_chromium, store_stuck_builds, violations
from build_admin.app import create_app
from build_admin.settings import Settings
from service import KEY, REPAIRS, Service, build, running
from vela import Tables

pytestmark = needs_chromium

# Markup, text with a character that reverses the text after it, a long word, and a character with 200 accents.
HOSTILE = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"
REVERSED = "photo\u202egnp.exe"
ENDLESS = "w" * 1000
ZALGO = "e" + "\u0301" * 200


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service beside a Vela server's tables, with stuck builds, hostile texts and a repair."""
    settings: dict[str, Any] = {"DATA": tmp_path_factory.mktemp("fit")}
    tables = Tables(settings)
    tables.make()
    with running(**settings) as service:
        store_stuck_builds(service, tables, builds=12)
        service.put(service.find(7) | {"status": "error", "message": "Mend the roof after it has rained\n\nToo late."})
        hostile = {"title": HOSTILE, "message": ENDLESS, "branch": REVERSED, "host": ENDLESS[:250], "author": ZALGO}
        links = {"link": "javascript:alert(1)", "source": f"https://git.example/{ENDLESS[:900]}"}
        service.put(build(id=7, repo_id=2, **hostile, **links))
        repair = {"where": {"ids": [9, 10]}, "set": {"status": "killed", "error": HOSTILE}}
        assert service.carry_out(REPAIRS, repair | {"reason": f"{REVERSED} {ENDLESS[:900]}"}).status == 201
        yield service


VIEWS = {
    "stuck": "#/stuck",
    "stuck, none": "#/stuck?host=none",
    "stuck, refused": "#/stuck?repo=octocat/nobody",
    "builds": "#/builds",
    "build": "#/builds/7",
    "edit": "#/builds/7/edit",
    "history": "#/builds/7/history",
    "revision": "#/builds/7/history/2",
    "create": "#/builds/new",
    "repair": "#/repair?host=w1&status=running",
    "repairs": "#/repairs",
    "one repair": "#/repairs/1",
    "undo": "#/repairs/1/undo",
    "nothing": "#/nothing",
    "gone": "#/builds/999999",
}


def through_all(visit: Visit, check: Callable[[str], None]) -> None:
    """Call `check` with the name of each view, beginning with the one that asks for a token."""
    page = visit.go()
    page.get_by_role("heading", name="Sign in").wait_for()
    check("token")
    visit.enter()
    for name, address in VIEWS.items():
        page.evaluate("address => { location.hash = address }", address)
        page.locator("main[aria-busy]").wait_for(state="detached")
        visit.settled()
        if "repair?" in address or "undo" in address:
            page.locator("#apply[aria-disabled=false]").wait_for()
        check(name)


def test_axe_finds_no_violations_in_any_view_light_and_dark(site: Service, visits: Visits) -> None:
    visit = visits(site, viewport={"width": 1280, "height": 640})
    found: dict[str, list[str]] = {}

    def check(name: str) -> None:
        found[name] = [*too_wide(visit.page, 1280), *violations(visit.page)]
        visit.page.emulate_media(color_scheme="dark")
        found[f"{name}, dark"] = violations(visit.page, "color-contrast")
        visit.page.emulate_media(color_scheme="light")

    through_all(visit, check)
    assert {name: those for name, those in found.items() if those} == {}
    assert len(found) == 2 * len(VIEWS) + 2


def test_no_view_scrolls_sideways_in_a_narrow_window_and_axe_finds_no_violations(site: Service, visits: Visits) -> None:
    visit = visits(site, viewport={"width": 320, "height": 640}, color_scheme="dark")
    found: dict[str, list[str]] = {}

    def check(name: str) -> None:
        # A window of 1280 pixels at a zoom of 200 % has 640 CSS pixels.
        visit.page.set_viewport_size({"width": 640, "height": 640})
        found[f"{name}, 200 %"] = too_wide(visit.page, 640)
        visit.page.set_viewport_size({"width": 320, "height": 640})
        found[name] = [*too_wide(visit.page, 320), *violations(visit.page)]

    through_all(visit, check)
    assert {name: those for name, those in found.items() if those} == {}


def too_wide(page: Page, most: int) -> list[str]:
    """Return a fault if the page is wider than `most` pixels."""
    width = page.evaluate("document.documentElement.scrollWidth")
    return [f"{width} pixels wide"] if width > most else []


def test_every_target_has_at_least_24_pixels(site: Service, visits: Visits) -> None:
    visit = visits(site)
    found: dict[str, Any] = {}
    # A link within a sentence may be as small as its line (WCAG 2.2, success criterion 2.5.8).
    small = """() => [...document.querySelectorAll("button, input, select, textarea, summary, nav a, td > a")]
        .filter((element) => element.checkVisibility() && element.id !== "skip")
        .map((element) => [element.id || element.textContent, element.getBoundingClientRect()])
        .filter(([, box]) => box.width < 24 || box.height < 24).map(([name]) => name)"""
    through_all(visit, lambda name: found.update({name: visit.page.evaluate(small)}))
    assert {name: those for name, those in found.items() if those} == {}


def test_hostile_text_is_shown_as_text(site: Service, visits: Visits) -> None:
    page = visits(site).open("#/builds/7")
    expect(page.locator("dd", has_text="document.title")).to_have_text(HOSTILE)
    # The character that would reverse the text is shown as its code.
    expect(page.locator("dd", has_text="photo")).to_have_text("photoU+202Egnp.exe")
    expect(page.get_by_role("link", name="javascript")).to_have_count(0)
    expect(page.locator("main a[rel='noopener noreferrer']")).to_have_count(2)
    through_all(visits(site), lambda name: None)
    assert page.title() != "run"
    assert page.locator("main script, main img").count() == 0


def test_a_repair_is_possible_by_keyboard_alone(site: Service, visits: Visits) -> None:
    visit = visits(site)
    page = visit.go("#/stuck?host=w1")
    keys = page.keyboard
    page.get_by_label("Administrator's token").wait_for()
    keys.insert_text(site.token)
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Stuck")).to_be_focused()

    def tab_to(name: str, key: str = "Tab") -> None:
        for _ in range(40):
            keys.press(key)
            words = page.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent.trim()")
            label = page.evaluate("document.activeElement.labels?.[0]?.textContent ?? ''")
            if name in (words, label.strip()):
                # The focus is visible.
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", name
                return
        raise AssertionError(f"Tab does not lead to {name}")

    tab_to("Select octocat/hello-world 3")
    keys.press("Space")
    tab_to("Repair 1 build…", "Shift+Tab")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Repair", level=1)).to_be_focused()
    tab_to("reason, kept with the repair")
    keys.insert_text("by keyboard")
    expect(page.locator("#apply")).to_have_text("Change 1 build")
    expect(page.locator("#live")).to_have_text("1 build changes.")
    tab_to("Change 1 build")
    keys.press("Enter")
    expect(page.locator(".notice")).to_be_focused()
    tab_to("octocat/hello-world 3")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="octocat/hello-world 3")).to_be_focused()
    # Going back focuses the link by which the view was left.
    page.go_back()
    expect(page.get_by_role("link", name="octocat/hello-world 3")).to_be_focused()
    tab_to("Skip to the content", "Shift+Tab")
    expect(page.get_by_role("button", name="Skip to the content")).to_be_in_viewport()
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_the_exact_time_is_shown_in_the_row_with_the_focus(site: Service, visits: Visits) -> None:
    page = visits(site).open("#/stuck?host=w1")
    shown = "getComputedStyle(document.querySelector('tbody time'), '::after').content"
    assert page.evaluate(shown) == "none"
    page.locator("tbody a").first.focus()
    assert page.evaluate(shown) == '"' + str(page.locator("tbody time").first.get_attribute("data-exact")) + '"'


@pytest.fixture
def prefixed(tmp_path: Any) -> Iterator[Service]:
    """The application below the path /ci, served by an unmodified waitress."""
    app: Any = create_app(Settings(data=tmp_path, signing_key=KEY))
    server = waitress.create_server(app, host="127.0.0.1", port=0, url_prefix="/ci")
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield Service(f"http://127.0.0.1:{server.effective_port}/ci")
    server.close()
    thread.join(10)


def test_the_page_works_below_a_prefix_without_a_slash(prefixed: Service, visits: Visits) -> None:
    visit = visits(prefixed)
    page: Page = visit.page
    page.goto(f"{prefixed.url}#/builds/new")
    visit.enter()
    visit.settled()
    assert page.url == f"{prefixed.url}/#/builds/new"
    for name, value in {"id": "1", "repo_id": "2", "number": "3"}.items():
        page.locator(f"#f-{name}").fill(value)
    page.get_by_role("button", name="Review the new build").click()
    page.get_by_role("button", name="Create build 1").click()
    expect(page.get_by_role("heading", name="repository 2 · 3")).to_be_visible()


def test_a_reload_revalidates_the_files_in_the_cache(site: Service, visits: Visits) -> None:
    files = "performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/page/'))"
    transferred = f"{files}.reduce((sum, entry) => sum + entry.transferSize, 0)"
    page = visits(site).open("#/stuck")
    first = page.evaluate(transferred)
    page.reload()
    page.get_by_role("heading", name="Sign in").wait_for()
    # The response for a file that has not changed is a 304, which has headers only.
    assert 0 < page.evaluate(transferred) < first / 4
