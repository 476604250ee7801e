from bridge.up.dedup import RepeatedBatches
from bridge.up.validate import BatchId


def test_what_lies_too_far_back_is_forgotten() -> None:
    repeats = RepeatedBatches(remembered=2)
    for n in range(3):
        digest, before = repeats.find("gw-1", b"%d" % n)
        assert before is None
        repeats.remember(digest, BatchId("o", n))
    found = [repeats.find("gw-1", b"%d" % n)[1] for n in range(3)]
    assert [sent and sent.number for sent in found] == [None, BatchId("o", 1), BatchId("o", 2)]
