"""The page in a browser: stuck builds, repairs, undo and the history of a build."""

import time
from typing import Any

from playwright.sync_api import expect

from browser import DAY, Visits, lose_response, needs_chromium, shows
from service import REPAIRS, Service, build

pytestmark = needs_chromium

NOW = int(time.time())


def stuck(service: Service, host: str, ids: range, **fields: Any) -> None:
    """Store builds that have run for three days on a host."""
    for build_id in ids:
        began = NOW - 3 * DAY - build_id % 1000
        service.create(id=build_id, status="running", created=began, started=began, host=host, **fields)


def test_stuck_builds_are_selected_repaired_and_restored(beside: Any, visits: Visits, new_id: int) -> None:
    service, tables = beside
    host, first = f"dead-{new_id}", new_id * 1000
    tables.insert("repos", id=first, full_name=f"octocat/flow-{new_id}", counter=10**9)
    stuck(service, host, range(first, first + 4), repo_id=first)
    tables.insert("workers", hostname=host, running_build_ids=f"{{{first + 3}}}", last_checked_in=int(time.time()))
    visit = visits(service)
    page = visit.open("#/stuck")
    page.get_by_label("host").fill(host)
    page.get_by_role("button", name="Show").click()
    shows(page, "4 builds. Longest stuck first.")
    assert f"host={host}" in page.url
    alive = page.get_by_role("row", name=f"octocat/flow-{new_id} {first + 3}")
    expect(alive).to_contain_text("alive: ")
    expect(alive.get_by_role("checkbox")).to_have_count(0)
    expect(page.get_by_role("row", name=f"flow-{new_id} {first}")).to_contain_text("3 days")
    page.get_by_label(f"Select octocat/flow-{new_id} {first}").check()
    expect(page.get_by_role("link", name="Repair 1 build…")).to_be_visible()
    page.get_by_label("Select all 4 that match").check()
    page.get_by_role("link", name="Repair all 4 builds…").click()
    shows(page, "3 builds change, 1 is alive and left out.")
    expect(page.locator("#apply")).to_have_text("Change 3 builds")
    page.get_by_label("error, the message").fill("the worker died")
    page.get_by_role("button", name=f"Leave out build {first + 2}").click()
    shows(page, "2 builds change.")
    expect(page.get_by_label("builds, by id")).to_have_value(f"{first}, {first + 1}")
    # The fault of the API's response is shown at its field.
    page.get_by_role("button", name="Change 2 builds").click()
    expect(page.locator("#fault-reason")).to_contain_text("1 to 1000 characters")
    page.get_by_label("reason, kept with the repair").fill("the worker lost its disk")
    page.get_by_role("button", name="Change 2 builds").click()
    expect(page.locator(".notice")).to_contain_text("2 builds changed.")
    expect(page.locator(".notice")).to_be_focused()
    repaired = service.find(first)
    assert (repaired["status"], repaired["error"]) == ("error", "the worker died")
    assert 0 <= time.time() - repaired["finished"] < 60
    assert service.find(first + 2)["status"] == service.find(first + 3)["status"] == "running"
    shows(page, "the worker lost its disk")
    expect(page.get_by_role("row", name=f"octocat/flow-{new_id} {first}")).to_contain_text("as repaired")
    # A build that its worker overwrites after the repair is skipped.
    service.put(repaired | {"status": "success"})
    page.reload()
    visit.enter()
    expect(page.get_by_role("row", name=f"octocat/flow-{new_id} {first}")).to_contain_text("changed since by octokitty")
    page.get_by_role("link", name="Undo repair").click()
    shows(page, "1 build changes, 1 is skipped.")
    shows(page, "it has changed since, by octokitty")
    page.get_by_label("reason, kept with the repair").fill("it was alive")
    page.get_by_role("button", name="Put back 1 build").click()
    expect(page.locator(".notice")).to_contain_text("1 build put back.")
    assert service.find(first + 1)["status"] == "running"
    page.get_by_role("link", name="Repairs").click()
    rows = page.get_by_role("table", name="Repairs").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("it was alive")
    expect(rows.nth(1)).to_contain_text("undoes repair")
    expect(rows.nth(2)).to_contain_text("undone by repair")


def test_builds_on_other_pages_can_be_selected(site: Service, visits: Visits, new_id: int) -> None:
    host, first = f"many-{new_id}", new_id * 1000
    stuck(site, host, range(first, first + 102), repo_id=5)
    page = visits(site).open(f"#/stuck?host={host}")
    shows(page, "1\u2013100 of 102")
    page.get_by_label("Select the 100 on this page").check()
    expect(page.get_by_role("link", name="Repair 100 builds…")).to_be_visible()
    page.get_by_role("link", name="next").click()
    shows(page, "101\u2013102 of 102")
    page.get_by_label(f"Select repository 5 · {first}", exact=True).check()
    expect(page.get_by_role("link", name="Repair 101 builds, 100 on other pages…")).to_be_visible()
    page.get_by_label("Select all 102 that match, also those on the other 1 page").check()
    page.get_by_role("link", name="Repair all 102 builds…").click()
    shows(page, "102 builds change.")
    assert page.get_by_role("table", name="Builds that change").get_by_role("row").count() == 101
    page.get_by_role("button", name="Show 2 more of 2").click()
    expect(page.get_by_role("link", name=f"repository 5 · {first + 101}")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Select all 102 that match")).to_be_checked()


def test_a_repair_of_builds_that_have_changed_since_the_preview_is_refused(
    site: Service, visits: Visits, new_id: int
) -> None:
    host, first = f"late-{new_id}", new_id * 1000
    stuck(site, host, range(first, first + 3), repo_id=6)
    page = visits(site).open(f"#/repair?host={host}&status=running")
    shows(page, "3 builds change.")
    page.get_by_label("reason, kept with the repair").fill("it died")
    site.put(build(id=first, repo_id=6, status="success", host=host))
    site.put(site.find(first + 1) | {"title": "changed"})
    stuck(site, host, range(first + 3, first + 4), repo_id=6)
    page.get_by_role("button", name="Change 3 builds").click()
    problem = page.locator(".problem")
    expect(problem).to_be_focused()
    expect(problem).to_contain_text(f"1 build changed since: repository 6 · {first + 1}")
    expect(problem).to_contain_text(f"1 build joined the selection: repository 6 · {first + 3}")
    expect(problem).to_contain_text(f"1 build would no longer change: repository 6 · {first}")
    expect(page.get_by_label("reason, kept with the repair")).to_have_value("it died")
    assert site.find(first + 1)["status"] == "running"
    page.get_by_role("button", name="Change 3 builds").click()
    expect(page.locator(".notice")).to_contain_text("3 builds changed.")


def test_a_repair_whose_response_is_lost_can_be_repeated_and_is_applied_once(
    site: Service, visits: Visits, new_id: int
) -> None:
    host, first = f"lost-{new_id}", new_id * 1000
    stuck(site, host, range(first, first + 2), repo_id=7)
    page = visits(site).open(f"#/repair?host={host}&status=running")
    page.get_by_label("reason, kept with the repair").fill("it died")
    page.get_by_role("button", name="Change 2 builds").wait_for()
    before = int(site.get(REPAIRS).headers["X-Total-Count"])
    page.route(f"**{REPAIRS}", lose_response)
    page.get_by_role("button", name="Change 2 builds").click()
    expect(page.locator(".problem")).to_contain_text("may or may not have been made")
    page.unroute(f"**{REPAIRS}")
    page.get_by_role("button", name="Change 2 builds").click()
    expect(page.locator(".notice")).to_contain_text("2 builds changed.")
    assert int(site.get(REPAIRS).headers["X-Total-Count"]) == before + 1


def test_the_faults_of_a_repair_are_shown_at_their_fields(site: Service, visits: Visits, new_id: int) -> None:
    host, first = f"no-{new_id}", new_id * 1000
    stuck(site, host, range(first, first + 1), repo_id=8)
    page = visits(site).open(f"#/repair?host={host}")
    page.get_by_text("More fields").click()
    page.locator("#f-set-started").fill("soon")
    expect(page.locator("#fault-set-started")).to_contain_text("must be an integer")
    expect(page.locator("#apply")).to_have_attribute("aria-disabled", "true")
    page.locator("#f-set-started").fill("")
    page.locator("#f-set-runtime").fill("podman")
    shows(page, "1 build changes.")
    page.get_by_label("builds, by id").fill("7x")
    expect(page.locator("#fault-ids")).to_contain_text("wrong item")
    page.get_by_label("builds, by id").fill("")
    page.get_by_label("host", exact=True).first.fill("")
    expect(page.locator(".preview .problem")).to_contain_text("it would select every build")


def test_a_repair_can_clear_fields(site: Service, visits: Visits, new_id: int) -> None:
    host = f"empty-{new_id}"
    stuck(site, host, range(new_id, new_id + 1), error="no", title="old", email="a@example.com", finished=7)
    visit = visits(site)
    page = visit.open(f"#/repair?host={host}")
    page.get_by_label("status", exact=True).select_option("unchanged")
    page.get_by_label("finished").select_option("0, not finished")
    page.get_by_label("error, the message").fill('""')
    page.get_by_text("More fields").click()
    page.locator("#f-set-email").fill('""')
    page.locator("#f-set-started").fill("0")
    expect(page.get_by_role("table", name="Builds that change").locator("dt")).to_have_text(
        ["error", "started", "finished", "email"]
    )
    visit.page.reload()
    visit.enter()
    expect(page.locator("#f-set-email")).to_have_value('""')
    page.get_by_label("reason, kept with the repair").fill("all wrong")
    page.get_by_role("button", name="Change 1 build").click()
    expect(page.locator(".notice")).to_contain_text("1 build changed.")
    now = site.find(new_id)
    assert (now["error"], now["finished"], now["started"], now["title"], "email" in now) == ("", 0, 0, "old", False)


def test_a_notice_names_unreadable_fields(beside: Any, visits: Visits, new_id: int) -> None:
    service, tables = beside
    tables.insert(
        "builds", id=new_id, repo_id=1, number=1, host=f"odd-{new_id}", deploy_payload="[1]", status="running"
    )
    page = visits(service).open(f"#/builds/{new_id}")
    expect(page.locator(".notice")).to_contain_text("Not shown exactly, kept unless changed: deploy_payload.")
    page.goto(f"{service.url}/#/repair?host=odd-{new_id}")
    expect(page.locator(".notice")).to_contain_text(f"{new_id}.deploy_payload.")


def test_without_stuck_builds_the_oldest_waiting_build_is_named(site: Service, visits: Visits, new_id: int) -> None:
    page = visits(site).open(f"#/stuck?host=quiet-{new_id}")
    shows(page, "No stuck build matches these filters. No build is pending or running.")
    now = int(time.time())
    site.create(id=new_id * 1000, status="running", created=now, started=now - 120, host=f"quiet-{new_id}")
    page.get_by_role("button", name="Show").click()
    shows(page, "The longest time that a build has been pending or running is 2 minutes.")


def test_a_revision_is_undone(site: Service, visits: Visits, new_id: int) -> None:
    site.create(id=new_id, status="running", title="before")
    site.put(build(id=new_id, status="error", title="after"))
    page = visits(site).open(f"#/builds/{new_id}/history")
    expect(page.get_by_role("row", name="revision 1")).to_contain_text("created the build")
    expect(page.get_by_role("row", name="revision 2").locator("del")).to_have_text(["◐ running", "before"])
    page.get_by_role("link", name="revision 2").click()
    page.get_by_role("button", name="Put back 2 fields").wait_for()
    site.put(build(id=new_id, status="killed", title="after"))
    page.get_by_role("button", name="Put back 2 fields").click()
    expect(page.locator(".problem")).to_contain_text("has changed since")
    expect(page.locator(".problem")).to_be_focused()
    page.get_by_role("button", name="Put back 2 fields").click()
    expect(page.locator(".notice")).to_contain_text("Put back the build before revision 2.")
    assert site.find(new_id) == build(id=new_id, status="running", title="before")
    page.get_by_role("link", name="revision 1").click()
    shows(page, "It created the build")
    expect(page.get_by_role("button", name="Put back")).to_have_count(0)
