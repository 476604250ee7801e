"""Counts the words of docstrings, comments, log and error texts and documents that the writing guide avoids.

`python -m tests.docs.language [FOLDER …]` prints the places, most frequent words first.
"""

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PARAPHRASE: Final = frozenset(
    """
    tell tells telling told who whoever whose what whatever nobody somebody beside stand stands word words said says
    anew meanwhile alone lets gives hear hears heard look looks ask asks asked comes came takes taken lies makes
    """.split()  # noqa: SIM905 - a list of words reads best as words
)
"""Words that paraphrase a term of the field; `goes on` and `go on` are counted too."""
PHRASE: Final = re.compile(r"\b(?:goes|go|going) on\b", re.I)
OPENING: Final = re.compile(r"^(?:what|who|whose|which|where|when|how|whether)\b", re.I)
WORD: Final = re.compile(r"[A-Za-z][A-Za-z'-]*")
CODE: Final = re.compile(r"```.*?```|`[^`]*`|https?://\S+", re.S)


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yields line and text of each docstring, those of attributes among them."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for each in body if isinstance(body, list) else ():
            if (
                isinstance(each, ast.Expr)
                and isinstance(each.value, ast.Constant)
                and isinstance(each.value.value, str)
            ):
                yield each.lineno, each.value.value


def messages(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yields line and text of each log record and exception."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            call = node.exc
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"debug", "info", "warning", "error", "exception", "critical"}
        ):
            call = node
        else:
            continue
        for part in call.args[:1]:
            texts = [n.value for n in ast.walk(part) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            if texts:
                yield node.lineno, " ".join(texts)


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yields line and text of each comment."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and "noqa" not in token.string:
            yield token.start[0], token.string.lstrip("# ")


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yields line and text of everything in a file that a person reads."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield from ((n, line) for n, line in enumerate(CODE.sub(_blank, source).splitlines(), 1))
        return
    tree = ast.parse(source)
    yield from docstrings(tree)
    yield from messages(tree)
    yield from comments(source)


def paraphrases(text: str) -> list[str]:
    """Returns the paraphrase words of a text."""
    plain = CODE.sub(" ", text)
    return [w.lower() for w in WORD.findall(plain) if w.lower() in PARAPHRASE] + PHRASE.findall(plain.lower())


def count(files: list[Path]) -> tuple[int, int]:
    """Returns how many paraphrase words and how many words files have."""
    found = [text for file in files for _, text in texts(file)]
    return sum(len(paraphrases(t)) for t in found), sum(len(WORD.findall(CODE.sub(" ", t))) for t in found)


def files_of(room: str) -> list[Path]:
    """Returns the Python files or documents of a folder of the repository."""
    folder = ROOT / room
    if room == "docs":
        return [*sorted(folder.glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    return sorted(folder.rglob("*.py"))


def _blank(match: re.Match[str]) -> str:
    return "\n" * match.group(0).count("\n")


def main() -> int:
    """Prints the counts of each room and the places of its words."""
    rooms = sys.argv[1:] or ["vitals", "edge", "bridge", "cloud", "firmware_sim", "infra", "docs"]
    for room in rooms:
        files = [ROOT / room] if (ROOT / room).is_file() else files_of(room)
        bad, words = count(files)
        found = [(file, line, text) for file in files for line, text in texts(file)]
        often = Counter(word for _, _, text in found for word in paraphrases(text))
        sys.stdout.write(f"{room}: {bad} of {words} words, {1000 * bad / max(1, words):.1f} per 1,000\n")
        sys.stdout.write("  " + ", ".join(f"{word} {n}" for word, n in often.most_common(12)) + "\n")
        for file, line, text in found if len(sys.argv) > 1 else ():
            if paraphrases(text) or (file.suffix == ".py" and OPENING.match(text)):
                sys.stdout.write(f"{file.relative_to(ROOT)}:{line}: {' '.join(text.split())[:220]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
