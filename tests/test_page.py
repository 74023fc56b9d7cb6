"""The page in a browser: tokens, the list of builds, editing and creating builds."""

import time
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from browser import DAY, Visits, lose_response, needs_chromium, shows
from service import Service, build, token

pytestmark = needs_chromium


def fill(page: Page, **fields: str) -> None:
    """Fill in fields of the form."""
    for name, value in fields.items():
        control = page.locator(f"#f-{name}")
        if control.evaluate("element => element.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)


def save(page: Page, many: str) -> None:
    """Review the changes in the form, and save them."""
    page.get_by_role("button", name=f"Review {many}").click()
    page.get_by_role("button", name=f"Save {many}").click()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("not.a.token", "not a JSON Web Token"),
        (token(key="another key of at least thirty-two bytes"), "not signed with this server's key"),
        (token(exp=int(time.time()) - DAY), "has expired"),
        (token(is_admin=False), "no active platform administrator"),
        (token(token_type="UserRefresh"), "no user's access token"),
        ("ключ", "Paste a token"),
    ],
)
def test_a_refused_token_shows_the_reason(site: Service, visits: Visits, given: str, words: str) -> None:
    visit = visits(site)
    page = visit.go()
    visit.enter(given)
    expect(page.locator("#token-fault")).to_contain_text(words)
    expect(page.get_by_label("Administrator's token")).to_be_focused()
    assert page.locator("main *").count() == 0


def test_a_token_is_stored_for_the_tab_only_on_request(site: Service, visits: Visits) -> None:
    visit = visits(site)
    page = visit.go("#/builds")
    visit.enter(f"Authorization: Bearer {token()}\n")
    visit.settled()
    expect(page.locator("#session")).to_contain_text("octokitty · 60 min left")
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("Keep the token until").check()
    visit.enter()
    visit.settled()
    page.reload()
    expect(page.get_by_role("heading", name="Builds")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0


def test_the_form_keeps_its_values_when_the_token_expires(site: Service, visits: Visits, new_id: int) -> None:
    site.create(id=new_id, status="running")
    visit = visits(site)
    page = visit.open(f"#/builds/{new_id}/edit")
    fill(page, status="killed", error="the worker died")
    # From now on the browser sends an expired token.
    expired = {"authorization": f"Bearer {token(exp=int(time.time()) - DAY)}"}
    page.route("**/api/**", lambda route: route.continue_(headers=route.request.headers | expired))
    page.get_by_role("button", name="Review 2 changes").click()
    expect(page.locator("#token-fault")).to_contain_text("has expired")
    expect(page.get_by_label("Administrator's token")).to_be_focused()
    expect(page.locator("#f-error")).to_have_value("the worker died")
    page.unroute("**/api/**")
    visit.enter()
    # The refused request has been sent again.
    page.get_by_role("button", name="Save 2 changes").click()
    shows(page, "Saved.")
    assert site.find(new_id)["error"] == "the worker died"


def test_a_token_that_expires_soon_can_be_replaced(site: Service, visits: Visits) -> None:
    visit = visits(site)
    page = visit.go("#/builds")
    visit.enter(token(exp=int(time.time()) + 100))
    visit.settled()
    expect(page.locator("#session")).to_contain_text("2 min left")
    page.get_by_role("button", name="New token").click()
    visit.enter(token(sub="hubot"))
    expect(page.locator("#session")).to_contain_text("hubot · 60 min left")
    expect(page.get_by_role("button", name="New token")).to_be_hidden()


def test_builds_are_found_by_the_name_of_their_repository(beside: Any, visits: Visits, new_id: int) -> None:
    service, tables = beside
    tables.insert("repos", id=new_id, full_name=f"octocat/found-{new_id}", counter=99)
    service.create(id=new_id, repo_id=new_id, number=12, host="found", branch="mend")
    service.create(id=new_id + 100_000, repo_id=new_id, number=13, host="found", status="success")
    page = visits(service).open("#/builds")
    page.get_by_label("repository").fill(f"octocat/found-{new_id}#12")
    page.get_by_role("button", name="Show").click()
    shows(page, "1 build. Newest first.")
    assert f"repo=octocat%2Ffound-{new_id}&number=12" in page.url
    expect(page.get_by_role("row", name="mend")).to_contain_text(f"octocat/found-{new_id} 12")
    page.goto(f"{service.url}/#/builds?host=found&status=success&repo={new_id}")
    expect(page.get_by_role("link", name=f"octocat/found-{new_id} 13")).to_be_visible()
    assert page.get_by_role("row").count() == 2
    page.get_by_label("repository").fill("octocat/nobody")
    page.get_by_label("status").select_option("")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".problem")).to_contain_text("octocat/nobody")
    expect(page.get_by_label("repository")).to_have_value("octocat/nobody")
    page.get_by_label("or id").fill(str(new_id))
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"octocat/found-{new_id} 12")
    page.go_back()
    expect(page.locator(".problem")).to_be_visible()


def test_a_list_is_paged(site: Service, visits: Visits) -> None:
    for number in range(101):
        site.create(id=50_000 + number, host="paged", repo_id=7)
    page = visits(site).open("#/builds?host=paged")
    shows(page, "101 builds")
    page.get_by_role("link", name="next").click()
    shows(page, "101\u2013101 of 101")
    expect(page.get_by_role("link", name="repository 7 · 50000")).to_be_visible()
    page.get_by_role("link", name="previous").click()
    shows(page, "1\u2013100 of 101")


def test_a_build_is_edited_reviewed_and_saved(site: Service, visits: Visits, new_id: int) -> None:
    message = "first line\r\nsecond line\r\n"
    site.create(
        id=new_id, status="running", title="one\ntwo", message=message, link="https://vela.example/1", parent=2**62
    )
    page = visits(site).open(f"#/builds/{new_id}/edit")
    fill(page, status="error", host="h" * 251, started="never", link="", finished="0012")
    page.get_by_role("button", name="Review 5 changes").click()
    # Each fault of the API's response is shown at its field.
    expect(page.locator("#f-host + .aside + .fault")).to_contain_text("at most 250")
    expect(page.locator("#fault-started")).to_contain_text("must be an integer")
    expect(page.locator("#f-host")).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".problem")).to_be_focused()
    fill(page, host="w9", started="1563474077", message=message.replace("\r\n", "\n") + "third line")
    expect(page.locator("#f-host ~ .aside")).to_contain_text("was company.localhost")
    page.get_by_role("button", name="Review 5 changes").click()
    expect(page.get_by_role("heading", name="What changes")).to_be_focused()
    expect(page.locator("main del")).to_have_text(
        ["◐ running", "0", message, "company.localhost", "https://vela.example/1"]
    )
    assert site.find(new_id)["status"] == "running"
    page.get_by_role("button", name="Save 5 changes").click()
    shows(page, "Saved.")
    stored = site.find(new_id)
    assert stored == build(
        id=new_id,
        status="error",
        title="one\ntwo",
        message=message + "third line",
        host="w9",
        finished=12,
        parent=2**62,
    )


def test_a_conflict_offers_a_choice_for_each_field(site: Service, visits: Visits, new_id: int) -> None:
    site.create(id=new_id, status="running", title="before", branch="main", host="w1")
    page = visits(site).open(f"#/builds/{new_id}/edit")
    fill(page, status="error", title="mine", host="w2")
    page.get_by_role("button", name="Review 3 changes").click()
    page.get_by_role("button", name="Save 3 changes").wait_for()
    site.put(build(id=new_id, status="success", title="theirs", branch="theirs", host="w1"))
    page.get_by_role("button", name="Save 3 changes").click()
    expect(page.get_by_role("heading", name="The build has changed since you opened it")).to_be_focused()
    shows(page, "octokitty changed it")
    rows = page.get_by_role("table", name="Fields that differ").get_by_role("row")
    assert rows.count() == 5
    # A field that only one side has changed is preselected. For one that both have changed, the user must choose.
    expect(page.locator("[name=branch][value=theirs]")).to_be_checked()
    expect(page.locator("[name=host][value=mine]")).to_be_checked()
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("status, title")
    page.locator("[name=status][value=mine]").check()
    page.locator("[name=title][value=theirs]").check()
    page.get_by_role("button", name="Continue").click()
    save(page, "2 changes")
    shows(page, "Saved.")
    assert site.find(new_id) == build(id=new_id, status="error", title="theirs", branch="theirs", host="w2")


def test_a_save_whose_response_is_lost_can_be_repeated_and_is_stored_once(
    site: Service, visits: Visits, new_id: int
) -> None:
    site.create(id=new_id, status="running")
    visit = visits(site)
    page = visit.open(f"#/builds/{new_id}/edit")
    fill(page, status="error")
    page.get_by_role("button", name="Review 1 change").click()
    page.get_by_role("button", name="Save 1 change").wait_for()
    # The service stores the build, and the response is lost.
    page.route("**/api/v1/admin/build?*", lose_response)
    page.route("**/api/v1/admin/build", lose_response)
    page.get_by_role("button", name="Save 1 change").click()
    expect(page.locator(".problem")).to_contain_text("may or may not have been made")
    expect(page.locator("#f-status")).to_have_value("error")
    page.unroute("**/api/v1/admin/build")
    page.unroute("**/api/v1/admin/build?*")
    page.get_by_role("button", name="Save 1 change").click()
    shows(page, "Saved.")
    assert site.get(f"/api/v1/admin/builds/{new_id}/revisions").headers["X-Total-Count"] == "2"
    page.route("**/api/**", lambda route: route.abort())
    page.get_by_role("link", name="History").click()
    expect(page.locator(".problem")).to_contain_text("does not answer")
    page.unroute("**/api/**")
    page.get_by_role("button", name="Try again").click()
    shows(page, "2 revisions")


def test_a_field_that_is_changed_after_a_lost_response_is_not_taken_for_saved(
    site: Service, visits: Visits, new_id: int
) -> None:
    site.create(id=new_id, status="running")
    page = visits(site).open(f"#/builds/{new_id}/edit")
    fill(page, status="error")
    page.get_by_role("button", name="Review 1 change").click()
    page.get_by_role("button", name="Save 1 change").wait_for()
    page.route("**/api/v1/admin/build", lose_response)
    page.get_by_role("button", name="Save 1 change").click()
    expect(page.locator(".problem")).to_contain_text("may or may not have been made")
    page.unroute("**/api/v1/admin/build")
    fill(page, title="one more")
    page.get_by_role("button", name="Review 2 changes").click()
    expect(page.locator("[name=title][value=mine]")).to_be_checked()
    page.get_by_role("button", name="Continue").click()
    save(page, "1 change")
    shows(page, "Saved.")
    assert site.find(new_id) == build(id=new_id, status="error", title="one more")


def test_the_form_keeps_its_values_after_back_and_after_a_reload(site: Service, visits: Visits, new_id: int) -> None:
    site.create(id=new_id, status="running")
    visit = visits(site)
    page = visit.open(f"#/builds/{new_id}/edit")
    fill(page, error="half a sent")
    page.get_by_role("link", name="History").click()
    shows(page, "1 revision")
    page.go_back()
    expect(page.locator("#f-error")).to_have_value("half a sent")
    page.reload()
    visit.enter()
    expect(page.get_by_role("button", name="Review 1 change")).to_be_visible()


def test_a_build_is_created(site: Service, visits: Visits, new_id: int) -> None:
    page = visits(site).open("#/builds")
    page.get_by_role("link", name="Create a build").click()
    fill(page, id=str(new_id), repo_id="0", number="7", status="pending", host="w1")
    page.get_by_role("button", name="Review the new build").click()
    expect(page.locator("#fault-repo_id")).to_contain_text("must be from 1")
    fill(page, repo_id="77")
    page.get_by_role("button", name="Review the new build").click()
    page.get_by_role("button", name=f"Create build {new_id}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("repository 77 · 7")
    assert (site.find(new_id)["host"], site.find(new_id)["title"]) == ("w1", "")
    page.go_back()
    fill(page, id=str(new_id), repo_id="77", number="8")
    page.get_by_role("button", name="Review the new build").click()
    expect(page.locator(".problem")).to_contain_text("There is a build with this id already")


def test_a_response_for_a_view_that_was_left_is_not_shown(site: Service, visits: Visits, new_id: int) -> None:
    site.create(id=new_id, title="slow")
    site.create(id=new_id + 100_000, title="quick")
    page = visits(site).open("#/builds")
    slow = f"**/api/v1/admin/builds/{new_id}"
    held: list[Route] = []
    page.route(slow, lambda route: held.append(route))
    with page.expect_request(slow):
        page.goto(f"{site.url}/#/builds/{new_id}")
    # Leaving the view cancels its request.
    with page.expect_event("requestfailed", lambda request: request.url.endswith(f"/{new_id}")):
        page.goto(f"{site.url}/#/builds/{new_id + 100_000}")
    shows(page, "quick")
    expect(page.get_by_text("slow")).to_have_count(0)
