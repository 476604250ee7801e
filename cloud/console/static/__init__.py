"""The page's own files, as the browser gets them."""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
