"""Printout of a ward for the time when the system is down: who is in which bed, last values with their times, limits.

It is a page to print, `GET /print/{ward}`, and a file per ward that the page writes to `CONSOLE_PRINTOUTS` every few
minutes, on a share or a computer at the ward. The file needs no server, no script and no further file.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from cloud.console.auth.accounts import Person, Role
from cloud.console.http import auth
from cloud.console.http.dependencies import AppState
from cloud.console.live.observations import observations
from cloud.console.live.ward_view import ward_tiles
from cloud.console.pages.printout_rows import Sheet, duty_text, row
from cloud.console.static import FOLDER
from cloud.duty.assigning import view

logger = logging.getLogger("console")
router: Final = APIRouter(include_in_schema=False)
Who = Annotated[Person, Depends(auth.current_user)]
SUFFIX: Final = ".html"
FIRST_S: Final = 60.0
"""Wait before the first files, until topics and alarm engine have been read."""
_TEMPLATE: Final = Environment(
    loader=PackageLoader("cloud.console.pages", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
).get_template("printout.html")


@router.get("/print/{ward}")
def printed(request: Request, ward: str, who: Who) -> HTMLResponse:
    """The printout of a ward, as it is now."""
    auth.require_role(request, who, Role.VIEWER, ward)
    own = auth.parts(request)
    auth.audit(request, who.name, "view-printout", ward=ward, patients=[a.patient for a in own.topics.on_ward(ward)])
    return HTMLResponse(_TEMPLATE.render(sheet=sheet(own, ward), style=""))


def sheet(own: AppState, ward: str) -> Sheet:
    """Returns a ward's printout at present."""
    now, sight = own.clock(), own.feed.sight
    here = [one for one in own.topics.on_ward(ward) if not one.canary]
    tiles = ward_tiles(here, sight, own.topics.pauses, now)
    due = {each.patient: each for each in observations(here, sight.patients, list(own.topics.actions), sight.clock)}
    house, wording = own.topics.house, own.settings.wording
    names = {duty.contact: duty.name for duty in house.on_duty(ward, now)}
    nurses = {each.bed: each.nurse for each in view(house, ward, [one.bed for one in here], now)}
    rows = [
        row(one, tiles[one.patient], due[one.patient], names.get(nurses[one.bed] or "", ""), wording) for one in here
    ]
    duties = [duty_text(duty, wording) for duty in house.on_duty(ward, now)]
    return Sheet(ward, wording.moment(now), own.feed.down is not None, rows, duties)


@dataclass(slots=True)
class Printouts:
    """Writes the printout of each ward to a folder.

    Attributes:
        own: Dependencies of the page.
        folder: Folder.
        every_s: Seconds between two files of a ward.
        failed: The last attempt failed; the next failure is not logged again.
    """

    own: AppState
    folder: Path
    every_s: float
    failed: bool = False

    def run(self, stop: threading.Event) -> None:
        """Writes until `stop` is set."""
        wait_s = min(FIRST_S, self.every_s)
        while not stop.wait(wait_s):
            wait_s = self.every_s
            self.write()

    def write(self) -> None:
        """Writes a file per ward. While the alarm engine does not answer, the last good files stay."""
        wards = [ward for ward in self.own.topics.wards() if self.own.topics.on_ward(ward)]
        if self.own.feed.down is not None or not wards:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            style = (FOLDER / "printout.css").read_text(encoding="utf-8")
            for ward in wards:
                _replace(self.folder / _file(ward), _TEMPLATE.render(sheet=sheet(self.own, ward), style=style))
            for old in _others(self.folder, wards):
                old.unlink()
            if self.failed:
                logger.warning("printouts are written again to %s", self.folder)
            self.failed = False
        except MemoryError:
            raise
        except Exception:
            # A full disk or one bed that cannot be rendered must not end the page.
            if not self.failed:
                logger.exception("printouts cannot be written to %s; check CONSOLE_PRINTOUTS", self.folder)
            self.failed = True


def _file(ward: str) -> str:
    return f"ward-{quote(ward, safe='')}{SUFFIX}"


def _others(folder: Path, wards: list[str]) -> Iterator[Path]:
    """Yields the printouts of wards without patients: a former ward must not pass for a present one."""
    present = {_file(ward) for ward in wards}
    return (path for path in folder.glob(f"ward-*{SUFFIX}") if path.name not in present)


def _replace(path: Path, text: str) -> None:
    """Replaces a file at once, so that a reader sees the former or the new one."""
    made = path.with_suffix(".new")
    with suppress(FileNotFoundError):
        made.unlink()
    handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
