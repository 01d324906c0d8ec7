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
from importlib.util import find_spec

from dedup.errors import RunError

_PATIENCE = 180
"""Seconds for the server to come up; the first ever has a database to make."""

_ELSE = "or use python -m dedup cluster"


class Server:
    """The configured API, or one that is starting.

    Whether a profile or a file configures one, only Prefect can tell, so its first second of
    imports is spent in the other process too.
    """

    def __init__(self) -> None:
        self._port = 0
        self._process = None if os.environ.get("PREFECT_API_URL") else _started()

    def announce(self) -> None:
        """Let Prefect know of it; Prefect must not be imported before.

        Raises
        ------
        RunError
            When it did not start.
        """
        if not self._process or not self._process.stdout:
            return
        with self._process.stdout as said:
            line = said.readline()
        if not line:
            raise _not_there("no port")
        self._port = int(line)
        if self._port:
            os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{self._port}/api"
            # It has no pages, so no log line shall invite to look at one.
            os.environ["PREFECT_UI_URL"] = ""

    def wait(self) -> None:
        """Wait until it answers.

        Raises
        ------
        RunError
            When it does not.
        """
        if not self._port:
            return
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)
        try:
            connection.request("GET", "/api/health")
            answer = str(connection.getresponse().status)
        except (OSError, http.client.HTTPException) as error:
            answer = str(error)
        finally:
            connection.close()
        if answer != "200":
            raise _not_there(answer)


def _started() -> subprocess.Popen[bytes]:
    if find_spec("prefect") is None:
        raise RunError(
            "flows", "Prefect", "no such package", f"pip install 'dedup[flows]', {_ELSE}"
        )
    server = subprocess.Popen(
        [sys.executable, "-m", "flows.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PREFECT_SERVER_LOGGING_LEVEL": "ERROR"},
        # An interrupt from the keyboard is not for the server: it has yet to be told of it.
        start_new_session=True,
    )
    assert server.stdin
    # Held open until Prefect, which registers later and so is called earlier, has sent its logs.
    atexit.register(server.stdin.close)
    return server


def _not_there(answer: str) -> RunError:
    return RunError(
        "temporary Prefect server",
        "an answer",
        answer,
        f"set PREFECT_API_URL to a server that runs, {_ELSE}",
    )


def main() -> None:
    """Serve on a free port until standard input ends; name the port on standard output.

    Where an API is configured already, name 0 and serve nothing.
    """
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    from prefect.settings import get_current_settings

    if get_current_settings().api.url:
        print(0, flush=True)
        return
    # It listens before the server is imported, so who connects early waits.
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    import uvicorn
    from prefect.server.api.server import create_app

    app = create_app(ephemeral=True, final=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


def _stop_at_end_of_input() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
