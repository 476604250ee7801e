from vitals.runtime.token_bucket import TokenBucket


def test_tokens_come_back_at_the_rate_and_no_more_than_fit() -> None:
    bucket = TokenBucket(size=2, interval=10, tokens=2, filled=0)
    bucket.tokens -= 2
    assert [bucket.refill(now) for now in (5, 10, 100)] == [0.5, 1, 2]


def test_a_debt_is_paid_off_first() -> None:
    bucket = TokenBucket(size=2, interval=10, tokens=-1, filled=0)
    assert [bucket.refill(now) for now in (10, 20)] == [0, 1]


def test_a_clock_that_is_set_back_takes_no_token() -> None:
    bucket = TokenBucket(size=2, interval=10, tokens=1, filled=100)
    assert [bucket.refill(now) for now in (0, 10)] == [1, 2]
