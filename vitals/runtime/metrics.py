"""Metrics under their names `wardwatch_<part>_…`, and for one release also under the former names `<part>_…`."""

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

PREFIX: Final = "wardwatch_"
RENAMED: Final = ("edge_", "bridge_", "archive_", "compact_", "load_", "score_")
"""Prefixes of metrics that had no common prefix in 0.1."""


class WithFormerNames(CollectorRegistry):
    """A registry with another one's metrics, the renamed ones a second time under their former names.

    Args:
        registry: The registry that holds the metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """Yields the metrics, each former name after its present one."""
        return with_former_names(self._registry.collect())


def with_former_names(metrics: Iterable[Metric]) -> Iterator[Metric]:
    """Yields metrics, each renamed one a second time under its former name."""
    for metric in metrics:
        yield metric
        former = metric.name.removeprefix(PREFIX)
        if former != metric.name and former.startswith(RENAMED):
            again = copy(metric)
            again.name = former
            again.samples = [sample._replace(name=sample.name.removeprefix(PREFIX)) for sample in metric.samples]
            yield again
