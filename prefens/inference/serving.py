"""The server's ASGI application: MLflow's own scoring app, with a gate in front that reads and checks each request."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prefens.core.errors import ConfigError
from prefens.data.frame import load_frame
from prefens.data.request import RequestError, as_frame, read_request
from prefens.inference.predictor import Predictor
from prefens.inference.saved_model import answer, log_malformed
from prefens.store.tracking.scoring import scoring_app

log = logging.getLogger(__name__)

PATH = "/invocations"
TURN = 64  # pairs that a request predicts before the next request has its turn
READING_THREADS = 2  # requests that are parsed and checked at once
SECONDS_TO_STOP = 5


class ServedModel:
    """A predictor that many requests share: they take turns, some pairs at a time, so that none waits for a large one.

    Parameters
    ----------
    predictor : Predictor
        What predicts.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._turns = ThreadPoolExecutor(1, "predict")  # its queue is first come, first served

    def predict(self, columns: Mapping[str, list[Any]], params: Mapping[str, Any]) -> pd.DataFrame:
        """Return what `PreferenceModel.predict` does.

        Parameters
        ----------
        columns : mapping of str to list of n values
            As in `PairsRequest`.
        params : mapping
            until: the moment, in seconds of the monotonic clock, after which nobody waits for the answer.

        Raises
        ------
        TimeoutError
            After this moment.
        """
        try:
            frame = as_frame(columns)
            loaded = load_frame(frame)
            log_malformed(loaded)
            probabilities = np.tile(self._predictor.prior, (len(frame), 1))
            for start in range(0, len(loaded.pairs), TURN):
                if time.monotonic() > params["until"]:
                    raise TimeoutError(f"{start} of {len(loaded.pairs)} pairs were predicted in time")
                part = np.arange(start, min(start + TURN, len(loaded.pairs)))
                turn = self._turns.submit(self._predictor.predict_pairs, loaded.pairs.take(part))
                probabilities[loaded.rows[part]] = turn.result()
            return answer(frame, probabilities)
        except Exception:
            log.exception("a request failed")  # MLflow would tell the client alone
            raise

    def close(self) -> None:
        """Let requests that still have turns to wait for fail."""
        self._turns.shutdown(wait=False, cancel_futures=True)


class Gate:
    """Reads and checks requests to /invocations before MLflow's app has them, and answers errors as JSON.

    A body is counted while it comes, and parsed in threads of its own: neither waits for a model.

    Parameters
    ----------
    model : ServedModel
        What answers.
    max_bytes : int
        Bytes of the largest body.
    seconds : int
        Time for reading a request, and again for answering it.
    """

    def __init__(self, model: ServedModel, max_bytes: int, seconds: int) -> None:
        self._model, self._max_bytes, self._seconds = model, max_bytes, seconds
        self._app: ASGIApp = scoring_app(model.predict, seconds)
        self._readers = ThreadPoolExecutor(READING_THREADS, "read")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle what ASGI calls a connection: a request, or the server's life."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            if scope["type"] == "lifespan":  # the server stops
                self._model.close()
            return
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._read(Request(scope, receive))
        except ClientDisconnect:
            return
        except TimeoutError:
            late = f"the request was not read within {self._seconds} seconds"
            await _refuse(RequestError(late, "a whole body", "send it again", status=408), scope, receive, send)
        except RequestError as error:
            await _refuse(error, scope, receive, send)
        else:
            await self._forward(body, scope, receive, send)

    async def _read(self, request: Request) -> bytes:
        """Return the body that MLflow's app gets: JSON whose inputs are columns that were checked."""
        limit = RequestError(
            f"a body of more than {self._max_bytes / 1e6:g} MB",
            "a smaller one",
            "send the rows in several requests, or start the server with another max_megabytes",
            status=413,
        )
        size = int(request.headers.get("content-length", 0))
        if size > self._max_bytes and "expect" in request.headers:  # the client waits for leave to send it
            raise limit
        body, size = bytearray(), 0
        async for chunk in request.stream():  # to its end: most clients read no answer before they have sent all
            size += len(chunk)
            if size <= self._max_bytes:
                body += chunk
        if size > self._max_bytes:
            raise limit
        content_type = request.headers.get("content-type", "")
        return await asyncio.get_running_loop().run_in_executor(self._readers, _check, bytes(body), content_type)

    async def _forward(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """Let MLflow's app answer; what it says of its errors goes to the log, not to the client."""
        messages: list[Message] = [{"type": "http.request", "body": _with_deadline(body, self._seconds)}]
        failed = False

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        async def answer_or_refuse(message: Message) -> None:
            nonlocal failed
            if message["type"] == "http.response.start" and message["status"] != 200:
                failed = True
                await _refuse(self._failure(message["status"]), scope, receive, send)
            elif not failed:
                await send(message)

        await self._app({**scope, "headers": [(b"content-type", b"application/json")]}, replay, answer_or_refuse)

    def _failure(self, status: int) -> RequestError:
        if status == 504:
            late = f"no answer within {self._seconds} seconds"
            return RequestError(late, "fewer rows, or more time", "send the rows in several requests", status=status)
        return RequestError("the model failed", "an answer", "look into the server's log", status=500)


def _check(body: bytes, content_type: str) -> bytes:
    """Return a request's columns as JSON."""
    return json.dumps(read_request(body, content_type).columns).encode()


def _with_deadline(columns: bytes, seconds: int) -> bytes:
    until = time.monotonic() + seconds
    return b'{"inputs": %s, "params": {"until": %r}}' % (columns, until)


async def _refuse(error: RequestError, scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse(error.as_dict(), error.status)(scope, receive, send)


def serve(predictor: Predictor, host: str, port: int, max_megabytes: float, seconds: int) -> None:
    """Serve a predictor over HTTP until Ctrl-C or SIGTERM; print the address.

    Parameters
    ----------
    predictor : Predictor
        What answers; all of it is loaded into memory.
    host, port : str and int
        Where it listens; port 0 is any free one.
    max_megabytes : float
        The largest body, in 10^6 bytes.
    seconds : int
        Time for one request.

    Raises
    ------
    ConfigError
        Where it can't listen there.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        came = f"host={host} port={port}: {error}"
        raise ConfigError(came, "an address of this machine and a free port", "try port=5001") from error
    with listening:
        predictor.load_all()
        gate = Gate(ServedModel(predictor), round(max_megabytes * 1e6), seconds)
        options = uvicorn.Config(gate, log_level="warning", timeout_graceful_shutdown=SECONDS_TO_STOP, lifespan="on")
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listening.getsockname()[1]}"
        print(f"{predictor.method} of {', '.join(predictor.used)}\nPOST {address}{PATH} (Ctrl-C stops it)", flush=True)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(options).run([listening])
