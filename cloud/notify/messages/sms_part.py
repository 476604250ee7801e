"""Length of an SMS in the alphabet in which it is sent, and the text that fits one part. Pure.

A text of characters of GSM 03.38 is sent in septets: 160 a part, and a character of the extension table needs two. Any
other text is sent in UCS-2: 70 units a part. A second part may arrive late or never, and cuts the link.
"""

import unicodedata
from collections.abc import Sequence
from typing import Final

SEPTETS: Final = 160
UCS2_UNITS: Final = 70
WARD: Final = 12
"""Characters of the ward's name that precede anything optional."""
_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
_WITHOUT_STROKE: Final = str.maketrans("ŁłĐđĦħŦŧıŒœ", "LlDdHhTtiOo")


def one(text: str) -> bool:
    """Returns whether a text fits one SMS."""
    if _BASIC.union(_EXTENSION).issuperset(text):
        return len(text) + sum(c in _EXTENSION for c in text) <= SEPTETS
    return len(text.encode("utf-16-le", "replace")) // 2 <= UCS2_UNITS


def latin(text: str) -> str:
    """Returns a text in letters of GSM 03.38, accents left out; `?` for a letter that has none."""
    plain = (c if c in _BASIC else _base(c) for c in text)
    return "".join(plain)


def _base(letter: str) -> str:
    base = unicodedata.normalize("NFKD", letter.translate(_WITHOUT_STROKE))[:1]
    return base if base in _BASIC else "?"


def fitted(ward: str, tails: Sequence[str], head: str = "") -> str:
    """Returns one SMS: a head, the ward's name, cut if it must be, and the first tail that fits with them.

    Args:
        ward: Name of the ward.
        tails: Texts after the name, the best first; the last one is cut if it does not fit.
        head: Text before the name, which a lock screen shows.
    """
    spelled_head = latin(head)
    head = head if spelled_head.count("?") > head.count("?") else spelled_head
    spelled = latin(ward)
    # A name without any Latin letter is kept, and the number finds the alarm without a link.
    names = (ward,) if spelled.count("?") > ward.count("?") else (ward, spelled)
    for tail in tails:
        for name in names:
            for length in range(len(name), min(len(name), WARD) - 1, -1):
                if one(head + name[:length] + tail):
                    return head + name[:length] + tail
    text = head + names[-1][:WARD] + tails[-1]
    return next(text[:length] for length in range(len(text), -1, -1) if one(text[:length]))
