"""The project that reports come for."""

import pytest

from supervision.errors.store.models import ErrorKey, ErrorProject
from tests.controlplane.intake.clients import KEY


@pytest.fixture
def project() -> ErrorProject:
    project = ErrorProject.objects.create(pk=42, slug="shop", name="Shop", events_per_minute=600)
    ErrorKey.objects.create(project=project, public_key=KEY)
    return project
