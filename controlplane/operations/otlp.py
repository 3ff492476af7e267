"""The metrics of `/metrics`, sent to an OpenTelemetry collector by OTLP over HTTP, where one is given.

From the same rows and under the same names, so that both tell the same. Sent once a minute; what a collector that was away
missed is not sent later, because the next minute says how things are then.
"""

import time
import urllib.request
from collections.abc import Iterable
from urllib.parse import unquote

from django.conf import settings
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as otlp
from prometheus_client.core import Metric

from controlplane.operations.metrics import RowsCollector
from supervision.runtime.version import VERSION

PATH = "/v1/metrics"
DEADLINE_S = 10.0
CUMULATIVE = otlp.AGGREGATION_TEMPORALITY_CUMULATIVE


def export_metrics() -> bool:
    """Whether something was sent; False where no collector is given. Raises OSError: it does not take them."""
    url = settings.OTLP_URL
    if not url:
        return False
    body = encode(RowsCollector(None).collect(), at_ns=time.time_ns()).SerializeToString()
    headers = {
        "Content-Type": "application/x-protobuf",
        "User-Agent": "Overstory",
        **parse_headers(settings.OTLP_HEADERS),
    }
    request = urllib.request.Request(address(url), data=body, headers=headers, method="POST")  # noqa: S310 the operator's own
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:  # noqa: S310
        answer.read(1024)
    return True


def address(url: str) -> str:
    """As `OTEL_EXPORTER_OTLP_ENDPOINT` is read: a base, to which the signal's path is added."""
    return url if url.endswith(PATH) else url.rstrip("/") + PATH


def parse_headers(text: str | None) -> dict[str, str]:
    """As `OTEL_EXPORTER_OTLP_HEADERS` is written: `name=value,name=value`, values percent-encoded. Raises ValueError."""
    found = {}
    for part in (text or "").split(","):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise ValueError("OVERSTORY_OTLP_HEADERS: name=value, several separated by commas")
        found[name.strip()] = unquote(value.strip())
    return found


def encode(families: Iterable[Metric], *, at_ns: int) -> ExportMetricsServiceRequest:
    """One request with every family. A gauge stays one, a counter is a monotonic sum, a histogram keeps its buckets."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.extend(
        _attributes({"service.name": "overstory", "service.version": VERSION})
    )
    scope = resource.scope_metrics.add()
    scope.scope.name, scope.scope.version = "overstory", VERSION
    for family in families:
        metric = otlp.Metric(name=family.name, description=family.documentation)
        match family.type:
            case "counter":
                metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, CUMULATIVE
                metric.sum.data_points.extend(_numbers(family, at_ns))
            case "histogram":
                metric.histogram.aggregation_temporality = CUMULATIVE
                metric.histogram.data_points.extend(_histograms(family, at_ns))
            case _:
                metric.gauge.data_points.extend(_numbers(family, at_ns))
        scope.metrics.append(metric)
    return request


def _numbers(family: Metric, at_ns: int) -> list[otlp.NumberDataPoint]:
    return [
        otlp.NumberDataPoint(
            attributes=_attributes(sample.labels), time_unix_nano=at_ns, as_double=sample.value
        )
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]


def _histograms(family: Metric, at_ns: int) -> list[otlp.HistogramDataPoint]:
    """Prometheus counts buckets up to each bound, OTLP between bounds."""
    found: dict[tuple[tuple[str, str], ...], otlp.HistogramDataPoint] = {}
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        point = found.setdefault(
            tuple(sorted(labels.items())),
            otlp.HistogramDataPoint(attributes=_attributes(labels), time_unix_nano=at_ns),
        )
        if sample.name.endswith("_bucket"):
            point.bucket_counts.append(int(sample.value) - sum(point.bucket_counts))
            if sample.labels["le"] != "+Inf":
                point.explicit_bounds.append(float(sample.labels["le"]))
        elif sample.name.endswith("_sum"):
            point.sum = sample.value
    for point in found.values():
        point.count = sum(point.bucket_counts)
    return list(found.values())


def _attributes(labels: dict[str, str]) -> list[KeyValue]:
    made = [KeyValue(key=name) for name in labels]
    for one in made:
        one.value.string_value = labels[one.key]
    return made
