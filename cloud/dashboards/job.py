"""`python -m cloud dashboards --metabase URL`: writes the dashboards to a Metabase."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloud.dashboards import metabase_payloads
from cloud.dashboards.board_files import boards
from cloud.dashboards.client import Login, Metabase, MetabaseError
from cloud.dashboards.provision import Done, Outcome, Provisioner, summary
from vitals.runtime.settings import SettingsError, load, setting

CHANGED_BY_HAND: Final = 3
"""Exit status if a person's change was kept."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of `python -m cloud dashboards`."""

    metabase_warehouse: str = setting(
        "the warehouse as Metabase reaches it, by a user who may only read: postgresql://… or redshift://…"
    )
    metabase_api_key: str | None = setting("API key of a Metabase administrator", None)
    metabase_email: str | None = setting("administrator's e-mail; also the first user of a new Metabase", None)
    metabase_password: str | None = setting("that administrator's password", None)


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m cloud dashboards", description=__doc__)
    parser.add_argument("--metabase", required=True, help="address of Metabase, such as https://metabase.example.org")
    parser.add_argument("--overwrite", action="store_true", help="put back what a person has changed by hand")
    arguments = parser.parse_args(argv)
    done: list[Done] = []
    try:
        settings = load(Settings, environ)
        login = Login(settings.metabase_api_key, settings.metabase_email, settings.metabase_password)
        database = metabase_payloads.database(settings.metabase_warehouse)
        with Metabase(arguments.metabase, login) as metabase:
            for one in Provisioner(metabase, arguments.overwrite).run(boards(), database):
                done.append(one)
                sys.stdout.write(f"{one.what}: {one.outcome.value}\n")
    except (SettingsError, MetabaseError, ValueError) as error:
        sys.stderr.write(f"dashboards: {error}\n")
        return 1
    sys.stdout.write(f"{summary(done)}\n")
    kept = [one.what for one in done if one.outcome is Outcome.KEPT]
    if kept:
        sys.stderr.write(f"changed by hand and left so: {', '.join(kept)}; --overwrite puts them back\n")
    return CHANGED_BY_HAND if kept else 0
