"""What things outside the audited project are: other names of the same thing, results of calls, kinds of handles.

Only facts about the standard library and about published packages stand here; no rule and no opinion.
"""

# Several spellings of one thing. Keys and values are absolute dotted names.
ALIASES: dict[str, str] = {
    "io.open": "builtins.open",
    "codecs.open": "builtins.open",
    "_io.open": "builtins.open",
    "asyncio.tasks.create_task": "asyncio.create_task",
    "asyncio.tasks.ensure_future": "asyncio.ensure_future",
    "asyncio.async": "asyncio.ensure_future",
    "asyncio.queues.Queue": "asyncio.Queue",
    "asyncio.exceptions.CancelledError": "asyncio.CancelledError",
    "asyncio.events.AbstractEventLoop": "asyncio.AbstractEventLoop",
    "asyncio.BaseEventLoop": "asyncio.AbstractEventLoop",
    "asyncio.SelectorEventLoop": "asyncio.AbstractEventLoop",
    "asyncio.ProactorEventLoop": "asyncio.AbstractEventLoop",
    "uvloop.Loop": "asyncio.AbstractEventLoop",
    "concurrent.futures._base.Future": "concurrent.futures.Future",
    "concurrent.futures._base.Executor": "concurrent.futures.Executor",
    "concurrent.futures.thread.ThreadPoolExecutor": "concurrent.futures.ThreadPoolExecutor",
    "concurrent.futures.process.ProcessPoolExecutor": "concurrent.futures.ProcessPoolExecutor",
    "multiprocessing.process.BaseProcess": "multiprocessing.Process",
    "multiprocessing.process.Process": "multiprocessing.Process",
    "multiprocessing.context.Process": "multiprocessing.Process",
    "multiprocessing.context.SpawnProcess": "multiprocessing.Process",
    "multiprocessing.context.ForkProcess": "multiprocessing.Process",
    "multiprocessing.pool.Pool": "multiprocessing.Pool",
    "multiprocessing.pool.ThreadPool": "multiprocessing.Pool",
    "multiprocessing.dummy.Pool": "multiprocessing.Pool",
    "multiprocessing.queues.Queue": "multiprocessing.Queue",
    "multiprocessing.connection.Connection": "multiprocessing.Connection",
    "_thread.start_new": "_thread.start_new_thread",
    "thread.start_new_thread": "_thread.start_new_thread",
    "Queue.Queue": "queue.Queue",
    "_queue.SimpleQueue": "queue.SimpleQueue",
    "urllib2.urlopen": "urllib.request.urlopen",
    "functools._lru_cache_wrapper": "functools.lru_cache",
    "socket.SocketType": "socket.socket",
    "_socket.socket": "socket.socket",
    "posix.fork": "os.fork",
    "redis.StrictRedis": "redis.Redis",
    "redis.client.StrictRedis": "redis.Redis",
    "redis.asyncio.StrictRedis": "redis.asyncio.Redis",
    "redis.exceptions.WatchError": "redis.WatchError",
    "celery.app.shared_task": "celery.shared_task",
    "celery.decorators.task": "celery.shared_task",
    "celery.app.base.Celery": "celery.Celery",
    "celery.app.task.Task": "celery.Task",
    "psutil.Popen": "subprocess.Popen",
    "requests.sessions.Session": "requests.Session",
    "requests.session": "requests.Session",
    "aiohttp.client.ClientSession": "aiohttp.ClientSession",
    "dbm.open": "shelve.open",
    "pathlib.PosixPath": "pathlib.Path",
    "pathlib.WindowsPath": "pathlib.Path",
}

PREFIX_ALIASES: tuple[tuple[str, str], ...] = (
    ("six.moves.urllib.", "urllib."),
    ("six.moves.queue.", "queue."),
    ("six.moves._thread.", "_thread."),
    ("multiprocessing.context.BaseContext.", "multiprocessing."),
    ("multiprocessing.context.SpawnContext.", "multiprocessing."),
    ("multiprocessing.context.ForkContext.", "multiprocessing."),
    ("multiprocessing.context.DefaultContext.", "multiprocessing."),
    ("multiprocessing.synchronize.", "multiprocessing."),
    ("asyncio.locks.", "asyncio."),
    ("redis.client.", "redis."),
    ("redis.asyncio.client.", "redis.asyncio."),
    ("psycopg2.extensions.", "psycopg2."),
    ("eventlet.green.", ""),
    ("gevent.threading.", "threading."),
    ("django.core.cache.caches.", "django.core.cache."),
)

# What a call gives. A name that starts with a capital letter and is not here gives an instance of itself.
RETURNS: dict[str, str] = {
    "asyncio.get_event_loop": "asyncio.AbstractEventLoop",
    "asyncio.get_running_loop": "asyncio.AbstractEventLoop",
    "asyncio.new_event_loop": "asyncio.AbstractEventLoop",
    "asyncio.events.get_event_loop": "asyncio.AbstractEventLoop",
    "asyncio.create_task": "asyncio.Task",
    "asyncio.ensure_future": "asyncio.Task",
    "asyncio.AbstractEventLoop.create_task": "asyncio.Task",
    "asyncio.AbstractEventLoop.call_later": "asyncio.TimerHandle",
    "asyncio.AbstractEventLoop.call_at": "asyncio.TimerHandle",
    "asyncio.AbstractEventLoop.run_in_executor": "asyncio.Future",
    "asyncio.run_coroutine_threadsafe": "concurrent.futures.Future",
    "asyncio.create_subprocess_exec": "asyncio.subprocess.Process",
    "asyncio.create_subprocess_shell": "asyncio.subprocess.Process",
    "concurrent.futures.ThreadPoolExecutor.submit": "concurrent.futures.Future",
    "concurrent.futures.ProcessPoolExecutor.submit": "concurrent.futures.Future",
    "concurrent.futures.Executor.submit": "concurrent.futures.Future",
    "multiprocessing.get_context": "multiprocessing.context.BaseContext",
    "multiprocessing.Manager": "multiprocessing.managers.SyncManager",
    "multiprocessing.managers.SyncManager.Queue": "multiprocessing.managers.Queue",
    "logging.getLogger": "logging.Logger",
    "structlog.get_logger": "logging.Logger",
    "structlog.getLogger": "logging.Logger",
    "celery.utils.log.get_task_logger": "logging.Logger",
    "celery.utils.log.get_logger": "logging.Logger",
    "tornado.ioloop.IOLoop.current": "tornado.ioloop.IOLoop",
    "tornado.ioloop.IOLoop.instance": "tornado.ioloop.IOLoop",
    "redis.from_url": "redis.Redis",
    "redis.Redis.from_url": "redis.Redis",
    "redis.asyncio.from_url": "redis.asyncio.Redis",
    "redis.asyncio.Redis.from_url": "redis.asyncio.Redis",
    "redis.Redis.pubsub": "redis.PubSub",
    "redis.asyncio.Redis.pubsub": "redis.asyncio.PubSub",
    "redis.Redis.lock": "redis.Lock",
    "redis.asyncio.Redis.lock": "redis.Lock",
    "redis.Redis.pipeline": "redis.Pipeline",
    "builtins.open": "io.TextIOWrapper",
    "pathlib.Path.open": "io.TextIOWrapper",
    "os.fdopen": "io.TextIOWrapper",
    "pathlib.Path.cwd": "pathlib.Path",
    "pathlib.Path.home": "pathlib.Path",
    "pathlib.Path.resolve": "pathlib.Path",
    "pathlib.Path.absolute": "pathlib.Path",
    "pathlib.Path.expanduser": "pathlib.Path",
    "pathlib.Path.with_suffix": "pathlib.Path",
    "pathlib.Path.with_name": "pathlib.Path",
    "pathlib.Path.joinpath": "pathlib.Path",
    "threading.current_thread": "threading.Thread",
    "sqlite3.connect": "sqlite3.Connection",
    "psycopg2.connect": "psycopg2.connection",
    "psycopg.connect": "psycopg.Connection",
    "socket.create_connection": "socket.socket",
    "socket.create_server": "socket.socket",
    "socket.fromfd": "socket.socket",
    "channels.layers.get_channel_layer": "channels.layers.BaseChannelLayer",
    "selectors.DefaultSelector": "selectors.BaseSelector",
    "selectors.EpollSelector": "selectors.BaseSelector",
    "selectors.SelectSelector": "selectors.BaseSelector",
}

# Classes whose names do not begin with a capital letter.
TYPES = frozenset(RETURNS.values()) | {
    "socket.socket",
    "collections.deque",
    "threading.local",
    "array.array",
    "mmap.mmap",
    "select.epoll",
    "select.poll",
}

THREADS = frozenset({"threading.Thread"})
TIMERS = frozenset({"threading.Timer"})
MP_PROCESSES = frozenset({"multiprocessing.Process"})
POPEN = frozenset({"subprocess.Popen"})
EXECUTORS = frozenset(
    {
        "concurrent.futures.ThreadPoolExecutor",
        "concurrent.futures.ProcessPoolExecutor",
        "concurrent.futures.InterpreterPoolExecutor",
        "multiprocessing.Pool",
    }
)
FUTURE_MAKERS = frozenset({"concurrent.futures.Executor", *EXECUTORS} - {"multiprocessing.Pool"})
LOOPS = frozenset({"asyncio.AbstractEventLoop", "tornado.ioloop.IOLoop"})
TASK_GROUPS = frozenset({"asyncio.TaskGroup", "anyio.abc.TaskGroup", "trio.Nursery", "quattro.TaskGroup"})
LOCKS = frozenset(
    {
        "threading.Lock", "threading.RLock", "threading.Condition", "threading.Semaphore",
        "threading.BoundedSemaphore", "multiprocessing.Lock", "multiprocessing.RLock",
        "multiprocessing.Semaphore", "multiprocessing.BoundedSemaphore", "asyncio.Lock", "asyncio.Condition",
        "asyncio.Semaphore", "asyncio.BoundedSemaphore", "redis.Lock",
    }
)  # fmt: skip
HTTP_VERBS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "request"})
BLOCKING_HTTP = frozenset(
    {f"requests.{verb}" for verb in HTTP_VERBS}
    | {f"requests.Session.{verb}" for verb in HTTP_VERBS}
    | {f"httpx.{verb}" for verb in HTTP_VERBS}
    | {f"httpx.Client.{verb}" for verb in HTTP_VERBS}
    | {f"urllib3.PoolManager.{verb}" for verb in ("request", "urlopen")}
    | {"urllib.request.urlopen", "urllib.request.urlretrieve", "urllib3.request"}
)
DJANGO_MODELS = frozenset({"django.db.models.Model", "django.db.models.base.Model"})
WEB_VIEWS = frozenset(
    {
        "django.views.View", "django.views.generic.View", "django.views.generic.base.View",
        "rest_framework.views.APIView", "rest_framework.viewsets.ViewSet", "rest_framework.viewsets.ModelViewSet",
        "rest_framework.viewsets.GenericViewSet", "rest_framework.generics.GenericAPIView",
        "tornado.web.RequestHandler", "flask.views.MethodView", "flask.views.View",
        "starlette.endpoints.HTTPEndpoint", "http.server.BaseHTTPRequestHandler", "aiohttp.web.View",
        "socketserver.BaseRequestHandler", "socketserver.StreamRequestHandler",
    }
)  # fmt: skip
REQUEST_TYPES = frozenset(
    {
        "django.http.HttpRequest", "django.http.request.HttpRequest", "rest_framework.request.Request",
        "flask.Request", "starlette.requests.Request", "fastapi.Request", "aiohttp.web.Request",
        "django.core.handlers.wsgi.WSGIRequest", "django.core.handlers.asgi.ASGIRequest",
    }
)  # fmt: skip
