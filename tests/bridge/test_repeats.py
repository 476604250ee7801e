from bridge.up.dedup import Repeats
from bridge.up.validate import Number


def test_what_lies_too_far_back_is_forgotten() -> None:
    repeats = Repeats(remembered=2)
    for n in range(3):
        digest, before = repeats.find("gw-1", b"%d" % n)
        assert before is None
        repeats.remember(digest, Number("o", n))
    found = [repeats.find("gw-1", b"%d" % n)[1] for n in range(3)]
    assert [sent and sent.number for sent in found] == [None, Number("o", 1), Number("o", 2)]
