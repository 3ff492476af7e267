"""The platform's own Celery application: periodic work and platform jobs.

Never hosts agents, and its remote control and events are never used as truth. Each task is a shim of three lines over a
service that may be called twice: a message is acknowledged when its task has ended, so a worker that dies runs it again.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")

PLATFORM_QUEUE = "platform"
"""Users' queues are theirs: nothing of ours waits behind their work, and nothing of theirs behind ours."""

app = Celery("overstory")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_default_queue=PLATFORM_QUEUE,
    include=["controlplane.operations.tasks"],
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=False,  # it does not count retries: a task that kills its worker would loop for ever
    task_serializer="json",
    accept_content=["json"],
    task_soft_time_limit=240,
    task_time_limit=300,
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_soft_shutdown_timeout=8.0,  # under the child's `shutdown`, so that it ends by itself
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_keepalive": True,
        "socket_connect_timeout": 5,
        "health_check_interval": 10,
        "retry_on_timeout": True,
    },
)
