"""Metrics for operators, in Prometheus's text form.

Counting is two dictionary writes: the numbers are turned into metric families when somebody asks.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Metrics(Collector):
    """Counts of this process since its start."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], int] = defaultdict(int)
        self._seconds: dict[str, float] = defaultdict(float)
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}

    def answered(self, operation: str, code: str, elapsed: timedelta) -> None:
        """One recorded call; `code` is empty for success."""
        self._answers[operation, code] += 1
        self._seconds[operation] += elapsed.total_seconds()

    def unavailable(self, operation: str) -> None:
        """One call that could not be recorded."""
        self._answers[operation, "AuditUnavailable"] += 1

    def watch(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """A figure that is read when somebody asks."""
        self._gauges[name] = (documentation, read)

    def collect(self) -> Iterator[Metric]:
        """The families, made anew for each scrape."""
        requests = CounterMetricFamily(
            "keytrail_requests", "Answered calls.", labels=("op", "code")
        )
        calls: dict[str, int] = defaultdict(int)
        for (operation, code), count in self._answers.items():
            requests.add_metric((operation, code), count)
            calls[operation] += count
        yield requests
        seconds = SummaryMetricFamily(
            "keytrail_request_seconds", "Time from parsing to the durable record.", labels=("op",)
        )
        for operation, total in self._seconds.items():
            seconds.add_metric((operation,), count_value=calls[operation], sum_value=total)
        yield seconds
        for name, (documentation, read) in self._gauges.items():
            yield GaugeMetricFamily(name, documentation, value=read())

    def text(self) -> bytes:
        """The exposition format, version 0.0.4."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)
