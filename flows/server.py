"""A Prefect API for the length of one command.

Law: where no API is configured, one is started that lives as long as the process that asked for it,
whatever ends that one: it reads a pipe that nobody writes to, and stops at its end.

Prefect would start one by itself, but only at the first run, after importing the whole server into
the client. Started beside the client's own imports it is there seconds earlier.
"""

from __future__ import annotations

import atexit
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

_PATIENCE = 180
"""Seconds for the server to come up; the first ever has a database to make."""


def start() -> AbstractContextManager[None]:
    """Start an API unless one is configured, without waiting for it.

    Returns
    -------
    context manager
        In which flows can be run. Entering it waits for the API that was started, and raises
        `RunError` when that does not answer.
    """
    from prefect.settings import get_current_settings

    if get_current_settings().api.url:
        return nullcontext()
    server = subprocess.Popen(
        [sys.executable, "-m", "flows.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PREFECT_SERVER_LOGGING_LEVEL": "ERROR"},
        # An interrupt from the keyboard is not for the server: it has yet to be told of it.
        start_new_session=True,
    )
    assert server.stdin is not None and server.stdout is not None
    # Held open until Prefect, which registers later and so is called earlier, has sent its logs.
    atexit.register(server.stdin.close)
    with server.stdout as said:
        return _answering(int(said.readline() or 0))


@contextmanager
def _answering(port: int) -> Iterator[None]:
    """Wait for the API at a port of this machine, and use it."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from dedup.errors import RunError

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/api/health")
        answer = str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        answer = str(error)
    finally:
        connection.close()
    if answer != "200":
        mend = "set PREFECT_API_URL to a server that runs, or use python -m dedup cluster"
        raise RunError("temporary Prefect server", "an answer", answer, mend)
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
        yield


def main() -> None:
    """Serve on a free port, named on standard output, until standard input ends."""
    # It listens before the server is imported, so who connects early waits.
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()

    import uvicorn
    from prefect.server.api.server import create_app

    app = create_app(ephemeral=True, final=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


def _stop_at_end_of_input() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
