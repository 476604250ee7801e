"""The list of others' software has the versions in use, and each package of a deployable is in it."""

from tests.docs.soup import BEGIN, END, PAGE, normal, table, used


def test_the_list_of_others_software_has_the_locked_versions() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert BEGIN + table() + END in text, "run python -m tests.docs.soup"


def test_names_are_read_one_by_one_and_as_the_lock_file_has_them() -> None:
    rows = (
        "| Package | Extra | Why |\n|---|---|---|\n| fastapi, redshift_connector | cloud | a |\n| pytest | dev | b |\n"
    )
    assert used(rows) == {"fastapi": "cloud", "redshift-connector": "cloud", "pytest": "dev"}
    assert normal("Zope.Interface_x") == "zope-interface-x"
