"""`python -m infra.local.servers.sns --port N`: an SNS that can be bad, as a process; ends with SIGTERM or SIGINT."""

import argparse
import sys

from infra.local.servers.sns.server import Options, Sns
from vitals.runtime.daemon import stop_on_signals


def main(arguments: list[str]) -> int:
    """Serves until it is asked to end."""
    parser = argparse.ArgumentParser("python -m infra.local.servers.sns", description=__doc__, allow_abbrev=False)
    usual = Options()
    parser.add_argument("--port", type=int, required=True, help="where it listens on 127.0.0.1")
    parser.add_argument("--answer-ms", type=float, default=usual.answer_ms, help="from a call to its answer, ms")
    parser.add_argument("--confirmed", action="store_true", help="e-mail subscriptions are confirmed at once")
    parser.add_argument("--emails-per-s", type=int, default=usual.emails_per_s,
                        help=f"more deactivate a subscription; 0: none do ({usual.emails_per_s})")  # fmt: skip
    parser.add_argument("--keep", type=int, default=usual.keep, help=f"messages kept of each kind ({usual.keep})")
    parser.add_argument("--sqs-endpoint", help="SQS of subscribed queues; without it they keep nothing")
    chosen = parser.parse_args(arguments)
    options = Options(chosen.answer_ms, chosen.confirmed, chosen.emails_per_s, chosen.keep)
    stop = stop_on_signals()
    with Sns(options, port=chosen.port, sqs_endpoint=chosen.sqs_endpoint):
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
