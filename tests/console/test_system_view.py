"""My ward first; test patients and equipment under *System*."""

import pytest
from playwright.sync_api import Browser, Page, expect

from cloud.console.auth.accounts import Role
from tests.console.conftest import Client, open_view, sign_in
from tests.console.stage import Stage, admission, event
from vitals.alarm_events import Kind
from vitals.contacts import Contact, Rota


def with_system(stage: Stage) -> None:
    """A canary on a ward of its own, a rota of the technical ward, and a silent gateway."""
    stage.admit(admission(90, "canary", stage.now(), patient="canary-gw-icu", gateway="gw-icu", canary=True))
    duty = Contact(contact="tech", name="Ilse Jarrow", start=stage.now(), end=stage.now() + 1000, phone="+441632960009")
    stage.parts.topics.enter(Rota(ward="technical", version=1, contacts=(duty,)))
    technical = {"kind": Kind.TECHNICAL, "patient": None, "bed": None, "subject": "gw-icu"}
    stage.alarm(event(stage.person("p-00001"), "gateway-down", stage.now(), "gateway gw-icu is down", **technical))
    stage.parts.feed.tick()


@pytest.mark.parametrize(
    ("roles", "first"),
    [({"everywhere": Role.ADMIN}, "icu"), ({"everywhere": Role.VIEWER, "med": Role.NURSE}, "med")],
)
def test_the_own_ward_comes_first_and_those_of_the_system_are_marked(
    client: Client, stage: Stage, roles: dict[str, Role], first: str
) -> None:
    with_system(stage)
    wards = client("bela", **roles).get("/api/me").json()["wards"]
    assert next(one["ward"] for one in wards if not one["system"]) == first
    assert {one["ward"] for one in wards if one["system"]} == {"canary", "technical"}


def test_a_new_ward_without_patients_is_no_ward_of_the_system(client: Client, stage: Stage) -> None:
    stage.parts.topics.enter(Rota(ward="surgery", version=1, contacts=()))
    wards = {one["ward"]: one["system"] for one in client("bela", everywhere=Role.ADMIN).get("/api/me").json()["wards"]}
    assert wards["surgery"] is False


def test_system_has_test_patients_gateways_and_equipment_alarms_for_admins_of_all_wards(
    client: Client, stage: Stage
) -> None:
    with_system(stage)
    found = client("ines", everywhere=Role.ADMIN).get("/api/system").json()
    assert [(one["patient"], one["gateway"], one["t"]) for one in found["tests"]] == [("canary-gw-icu", "gw-icu", None)]
    assert [(one["gateway"], one["wards"], one["patients"]) for one in found["gateways"]] == [
        ("gw-icu", ["icu"], 3), ("gw-med", ["med"], 3),
    ]  # fmt: skip
    assert [(one["subject"], one["ward"]) for one in found["alarms"]] == [("gw-icu", "icu")]
    assert client("bela", icu=Role.ADMIN).get("/api/system").status_code == 403


def test_an_admin_sees_a_patients_ward_first_and_the_canary_under_system(browser: Browser, served: Stage) -> None:
    with_system(served)
    served.user("bela", {"*": Role.ADMIN})
    context = browser.new_context(base_url=served.url)
    page: Page = sign_in(context)
    expect(page.locator("h1")).to_have_text("Ward ICU")
    expect(page.locator(".tabs-of-wards .tab")).to_have_text(["ICU", "MED"])
    open_view(page, "System")
    expect(page.get_by_role("region", name="Test patients")).to_contain_text("canary-gw-icu")
    expect(page.locator(".of-system")).to_contain_text("gateway gw-icu is down")
    page.get_by_role("link", name="CANARY", exact=True).click()
    expect(page.locator("h1")).to_have_text("Ward CANARY")
    context.close()
