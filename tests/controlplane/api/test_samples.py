"""Samples as JSON and CSV: what is not known is null, and never a number."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from controlplane.access.policy import Scope
from supervision.samples.models import SampleMinute
from tests.controlplane.api import world
from tests.support import people

pytestmark = pytest.mark.django_db


def test_rows_with_their_gaps_and_without_nan() -> None:
    host = world.world()
    now = timezone.now().replace(second=0, microsecond=0)
    for minute, cpu in ((3, 0.5), (2, float("nan")), (1, None)):
        SampleMinute.objects.create(
            node=host, key="shop/web", at=now - timedelta(minutes=minute), n=60, cpu_avg=cpu, rss_max=1 << 40
        )
    client = people.bearer(people.token(people.admin(), Scope.READ))
    url = reverse("api:samples") + "?key=shop/web"
    body = json.loads(client.get(url).content, parse_constant=lambda text: pytest.fail(text))
    assert [row["cpu_avg"] for row in body["items"]] == [0.5, None, None]
    assert (body["resolution"], body["next_since"]) == ("minute", None)
    rows = list(csv.DictReader(io.StringIO(client.get(f"{url}&as=csv").content.decode())))
    assert [row["cpu_avg"] for row in rows] == ["0.5", "", ""]
    assert rows[0]["rss_max"] == str(1 << 40)
    assert client.get(f"{url}&resolution=hour").json()["items"] == []
    later, sooner = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"
    assert client.get(f"{url}&since={later}&until={sooner}").status_code == 400
    assert client.get(reverse("api:samples") + "?key=shop/none").status_code == 404
