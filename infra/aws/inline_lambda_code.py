"""`python -m infra.aws.inline_lambda_code`: copies the functions' code into the CloudFormation templates.

A template names the file in a comment before the code; a test holds the two together.
"""

import re
import sys
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
BLOCK: Final = re.compile(
    r"(?P<head>^(?P<pad> +)# functions/(?P<name>\w+)\.py\n +ZipFile: \|\n)(?P<code>(?: {10}.*\n|\n)*)", re.M
)
LIMIT_BYTES: Final = 4096
"""Most that CloudFormation takes as code in a template."""


def embedded(template: str) -> str:
    """Returns a template with the code of the functions that it names."""

    def put(found: re.Match[str]) -> str:
        code = (FOLDER / "functions" / f"{found['name']}.py").read_text(encoding="utf-8")
        if len(code.encode()) > LIMIT_BYTES:
            raise ValueError(f"functions/{found['name']}.py is longer than {LIMIT_BYTES} bytes")
        lines = ("" if not line else f"{found['pad']}  {line}" for line in code.splitlines())
        return found["head"] + "\n".join(lines) + "\n"

    return BLOCK.sub(put, template)


def main() -> int:
    """Brings all templates up to date."""
    for path in sorted(FOLDER.glob("*.yaml")):
        path.write_text(embedded(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
