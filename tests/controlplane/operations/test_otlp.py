"""Metrics sent to an OpenTelemetry collector: read back by the protocol's own messages, from a real HTTP request."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from controlplane.operations import otlp
from controlplane.operations.latency import count_action
from controlplane.operations.models import RestartCount
from tests.controlplane.api import world
from tests.support.http_sink import http_sink

pytestmark = pytest.mark.django_db


def metrics(body: bytes) -> dict[str, Any]:
    request = ExportMetricsServiceRequest.FromString(body)
    [resource] = request.resource_metrics
    assert {one.key: one.value.string_value for one in resource.resource.attributes}[
        "service.name"
    ] == "overstory"
    return {metric.name: metric for metric in resource.scope_metrics[0].metrics}


def labels(point: Any) -> dict[str, str]:
    return {one.key: one.value.string_value for one in point.attributes}


def test_a_collector_is_told_what_the_rows_say(settings: Any) -> None:
    world.world()
    RestartCount.objects.create(supervisor="shop", reason="exit", total=7)
    for seconds in (0.01, 0.3, 100.0):
        count_action(verb="stop", since=timezone.now() - timedelta(seconds=seconds))
    with http_sink() as sink:
        settings.OTLP_URL, settings.OTLP_HEADERS = (
            f"{sink.url}/otlp",
            "authorization=Bearer%20abc, tenant=shop",
        )
        assert otlp.export_metrics() is True
        [request] = sink.received
    assert (request.method, request.path) == ("POST", "/otlp/v1/metrics")
    sent = {name.lower(): value for name, value in request.headers.items()}
    assert (sent["content-type"], sent["authorization"], sent["tenant"]) == (
        "application/x-protobuf",
        "Bearer abc",
        "shop",
    )
    found = metrics(request.body)
    states = {
        labels(point)["state"]: point.as_double for point in found["overstory_children"].gauge.data_points
    }
    assert states["running"] == 2
    restarts = found["overstory_restarts"].sum
    assert (restarts.is_monotonic, restarts.data_points[0].as_double) == (True, 7)
    [stop] = found["overstory_action_seconds"].histogram.data_points
    assert labels(stop) == {"verb": "stop"}
    assert (stop.count, sum(stop.bucket_counts)) == (3, 3)
    assert len(stop.bucket_counts) == len(stop.explicit_bounds) + 1
    assert list(stop.explicit_bounds) == sorted(stop.explicit_bounds)


def test_without_a_collector_nothing_is_asked_of_the_database(
    settings: Any, django_assert_num_queries: Any
) -> None:
    settings.OTLP_URL = None
    with django_assert_num_queries(0):
        assert otlp.export_metrics() is False


def test_a_collector_that_refuses_is_told_to_the_job(settings: Any) -> None:
    with http_sink() as sink:
        settings.OTLP_URL, settings.OTLP_HEADERS = sink.url, None
        sink.answers = [503]
        with pytest.raises(OSError, match="503"):
            otlp.export_metrics()


@pytest.mark.parametrize(
    ("given", "read"),
    [(None, {}), ("", {}), ("a=b", {"a": "b"}), ("a=b%2Cc , d=", {"a": "b,c", "d": ""})],
)
def test_headers_are_read_as_the_specification_writes_them(given: str | None, read: dict[str, str]) -> None:
    assert otlp.parse_headers(given) == read


@pytest.mark.parametrize("given", ["abc", "=b"])
def test_headers_that_cannot_be_meant_name_their_setting(given: str) -> None:
    with pytest.raises(ValueError, match="OVERSTORY_OTLP_HEADERS"):
        otlp.parse_headers(given)
