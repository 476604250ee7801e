"""Assigned beds and the house's directory at the page."""

import pytest
from playwright.sync_api import Browser, Page, expect

from cloud.console.auth.accounts import Role
from tests.console.conftest import Client, open_view, sign_in
from tests.console.stage import Stage
from vitals.contact_standing import ContactStanding, Standing, addresses
from vitals.contacts import Channel


def test_beds_are_assigned_in_four_taps_and_the_rest_is_said_on_the_ward(page: Page) -> None:
    open_view(page, "Beds")
    view = page.get_by_role("region", name="Beds", exact=True)
    expect(view.get_by_role("status").first).to_contain_text("No bed is assigned")
    view.get_by_role("button", name="Bela Holt").click()
    beds = view.get_by_role("group", name="Assigned beds")
    for bed in ("icu-01", "icu-03"):
        beds.get_by_role("button", name=bed).click()
    view.get_by_role("button", name="Assign 2 beds to Bela Holt").click()
    expect(beds.get_by_role("button", name="icu-01")).to_contain_text("Bela Holt")
    expect(view.get_by_role("status").first).to_contain_text("Not assigned: icu-02.")
    page.goto(page.url.partition("#")[0] + "#/ward/icu")
    expect(page.get_by_text("Not assigned: icu-02")).to_be_visible()


def test_a_viewer_sees_the_beds_and_assigns_none(browser: Browser, served: Stage) -> None:
    served.user("bela", {"icu": Role.VIEWER})
    context = browser.new_context(base_url=served.url)
    page = sign_in(context)
    open_view(page, "Beds")
    expect(page.get_by_role("group", name="Assigned beds")).to_contain_text("icu-01")
    expect(page.locator("main").get_by_role("button")).to_have_count(0)
    page.locator("#menu summary").click()
    for absent in ("Admit a patient", "Roster file", "Contacts", "Users"):
        expect(page.locator("#menu").get_by_role("link", name=absent)).to_have_count(0)
    context.close()


NEW = {"version": 0, "name": "Chidi Grieg", "phone": "+44 1632 960 077"}


def test_an_admin_of_the_house_enters_changes_and_removes_a_contact(client: Client, stage: Stage) -> None:
    ines = client("ines", everywhere=Role.ADMIN)
    made = ines.put("/api/contacts/nurse-77", json=NEW)
    assert (made.status_code, made.json()["phone"]) == (200, "+441632960077")
    assert ines.put("/api/contacts/nurse-77", json=NEW).status_code == 409
    changed = NEW | {"version": made.json()["version"], "email": "chidi@example.org"}
    assert ines.put("/api/contacts/nurse-77", json=changed).json()["email"] == "chidi@example.org"
    assert "nurse-77" in {c["contact"] for c in ines.get("/api/contacts").json()}
    assert ines.delete("/api/contacts/nurse-77").status_code == 200
    assert "nurse-77" not in {c["contact"] for c in ines.get("/api/contacts").json()}
    assert {e.what for e in stage.parts.audit.read()} >= {"enter-contact", "remove-contact"}


@pytest.mark.parametrize("change", [{"phone": "call me"}, {"email": "nowhere"}, {"name": ""}])
def test_a_contact_that_no_message_reaches_is_refused(client: Client, stage: Stage, change: dict[str, str]) -> None:
    assert client("ines", everywhere=Role.ADMIN).put("/api/contacts/nurse-77", json=NEW | change).status_code == 422
    assert stage.written("contacts") == []


def test_an_id_that_no_topic_can_have_is_refused(client: Client, stage: Stage) -> None:
    assert client("ines", everywhere=Role.ADMIN).put("/api/contacts/m%C3%BCller", json=NEW).status_code == 422
    assert stage.written("contacts") == []


def test_an_admin_of_one_ward_sees_names_and_changes_no_address(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.ADMIN)
    found = {c["contact"]: c for c in bela.get("/api/contacts").json()}
    assert "phone" not in found["registrar"]
    assert bela.put("/api/contacts/registrar", json=NEW).status_code == 403
    assert bela.delete("/api/contacts/registrar").status_code == 403
    assert client("ruth", icu=Role.NURSE).get("/api/contacts").status_code == 403
    assert stage.written("contacts") == []


def test_the_directory_says_who_is_not_reached(browser: Browser, served: Stage) -> None:
    served.user("bela", {"*": Role.ADMIN})
    person = served.parts.topics.house.person("nurse-icu")
    assert person is not None
    gone = {Channel.SMS: Standing.OPTED_OUT}
    standing = ContactStanding(contact="nurse-icu", of=addresses(person), channels=gone, t=1)
    served.parts.topics.standings["nurse-icu"] = standing
    context = browser.new_context(base_url=served.url)
    page = sign_in(context)
    open_view(page, "Contacts")
    page.get_by_label("Find by name").fill("nurse-icu")
    expect(page.get_by_role("status").first).to_have_text("1 of 3 contacts")
    expect(page.locator("tbody tr")).to_contain_text("Not reached: SMS opted out (STOP)")
    context.close()
