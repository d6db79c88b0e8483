"""The server's ASGI application: MLflow's own scoring app, with a gate in front that reads and checks each request."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prefens.core.errors import ConfigError, counted
from prefens.core.types import Pairs
from prefens.data.frame import load_frame
from prefens.data.request import RESPONSES, RequestError, as_frame, read_request, too_large
from prefens.inference.predictor import Predictor
from prefens.inference.saved_model import answer, log_malformed
from prefens.inference.served_scores import TurnTaking, answer_candidates
from prefens.store.tracking.scoring import scoring_app

log = logging.getLogger(__name__)

PATH = "/invocations"
TURN = 64  # pairs that a request predicts before the next request has its turn
READING_THREADS = 2  # requests that are parsed and checked at once
SECONDS_TO_STOP = 30  # one turn of a large model may take that long


@dataclass(frozen=True)
class Limits:
    """What one request may cost.

    Attributes
    ----------
    megabytes : float
        The largest body, in 10^6 bytes.
    rows : int
        The most rows.
    seconds : int
        Time for reading it, and again for answering it.
    """

    megabytes: float
    rows: int
    seconds: int


class ServedModel:
    """A predictor that many requests share: they take turns, some pairs at a time, so that none waits for a large one.

    Parameters
    ----------
    predictor : Predictor
        What predicts.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor, self.reads_plain = predictor, predictor.reads_plain
        self._turns = ThreadPoolExecutor(1, "predict")  # its queue is first come, first served
        self.closed = False

    def predict(self, columns: Mapping[str, list[Any]], params: Mapping[str, Any]) -> pd.DataFrame:
        """Return what `PreferenceModel.predict` does; of candidates, what `answer_candidates` does.

        Parameters
        ----------
        columns : mapping of str to list of n values
            As in `PairsRequest`.
        params : mapping
            until: the moment, in seconds of the monotonic clock, after which nobody waits for the answer.

        Raises
        ------
        TimeoutError
            After this moment, or where the model was closed.
        """
        judge = TurnTaking(self._predictor, partial(self._turn, params["until"]), TURN)
        try:
            if RESPONSES in columns:
                return answer_candidates(columns, judge)
            frame = as_frame(columns)
            loaded = load_frame(frame, plain=self.reads_plain)
            log_malformed(loaded)
            probabilities = np.tile(self._predictor.prior, (len(frame), 1))
            if len(loaded.pairs):
                probabilities[loaded.rows] = judge.predict_pairs(loaded.pairs)
            return answer(frame, probabilities)
        except TimeoutError:
            log.warning("a request of %s was given up", counted(len(columns["prompt"]), "row"))
            raise
        except Exception:
            log.exception("a request failed")  # MLflow would tell the client alone
            raise

    def _turn(self, until: float, function: Callable[[Pairs], Any], pairs: Pairs) -> Any:
        return self._turns.submit(self._in_time, until, function, pairs).result()

    def _in_time(self, until: float, function: Callable[[Pairs], Any], pairs: Pairs) -> Any:
        if self.closed or time.monotonic() > until:
            raise TimeoutError
        return function(pairs)

    def close(self) -> None:
        """Give no more turns: requests that wait for one fail."""
        self.closed = True


class Gate:
    """Reads and checks requests to /invocations before MLflow's app has them, and answers errors as JSON.

    A body is counted while it comes, and parsed in threads of its own: neither waits for a model.

    Parameters
    ----------
    model : ServedModel
        What answers.
    limits : Limits
        Of each request.
    """

    def __init__(self, model: ServedModel, limits: Limits) -> None:
        self._model, self._limits = model, limits
        self._app: ASGIApp = scoring_app(model.predict, limits.seconds)
        self._readers = ThreadPoolExecutor(READING_THREADS, "read")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle what ASGI calls a connection: a request, or the server's life."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._limits.seconds):
                body = await self._read(Request(scope, receive))
        except ClientDisconnect:
            return
        except TimeoutError:
            late = f"the request was not read within {self._limits.seconds} seconds"
            await _refuse(RequestError(late, "a whole body", "send it again", status=408), scope, receive, send)
        except RequestError as error:
            await _refuse(error, scope, receive, send)
        except Exception:
            log.exception("a request could not be read")
            await _refuse(self._failure(500), scope, receive, send)
        else:
            await self._forward(body, scope, receive, send)

    async def _read(self, request: Request) -> bytes:
        """Return the body that MLflow's app gets: JSON whose inputs are columns that were checked."""
        most = round(self._limits.megabytes * 1e6)
        megabytes = f"{self._limits.megabytes:g} MB"
        above = too_large(f"a body of more than {megabytes}", f"{megabytes} or less", "max_megabytes")
        size = int(request.headers.get("content-length", 0))
        if size > most and "expect" in request.headers:  # the client waits for leave to send it
            raise above
        body, size = bytearray(), 0
        async for chunk in request.stream():  # to its end: most clients read no answer before they have sent all
            size += len(chunk)
            if size <= most:
                body += chunk
        if size > most:
            raise above
        content_type, plain = request.headers.get("content-type", ""), self._model.reads_plain
        check = partial(_check, bytes(body), content_type, self._limits.rows, plain)
        return await asyncio.get_running_loop().run_in_executor(self._readers, check)

    async def _forward(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """Let MLflow's app answer; what it says of its errors goes to the log, not to the client."""
        messages: list[Message] = [{"type": "http.request", "body": _with_deadline(body, self._limits.seconds)}]
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
        if self._model.closed:
            return RequestError("the server stops", "a server that runs", "send the request again later", status=503)
        if status == 504:
            late = f"no answer within {self._limits.seconds} seconds"
            return RequestError(late, "fewer rows, or more time", "send the rows in several requests", status=status)
        return RequestError("the server failed", "an answer", "look into the server's log", status=500)


def _check(body: bytes, content_type: str, max_rows: int, plain: bool) -> bytes:
    """Return a request's columns as JSON."""
    return json.dumps(read_request(body, content_type, max_rows, plain).columns).encode()


def _with_deadline(columns: bytes, seconds: int) -> bytes:
    until = time.monotonic() + seconds
    return b'{"inputs": %s, "params": {"until": %r}}' % (columns, until)


async def _refuse(error: RequestError, scope: Scope, receive: Receive, send: Send) -> None:
    content = json.dumps(error.as_dict())  # in ASCII: what came may have halves of surrogate pairs
    await Response(content, error.status, media_type="application/json")(scope, receive, send)


def serve(predictor: Predictor, host: str, port: int, limits: Limits) -> None:
    """Serve a predictor over HTTP until Ctrl-C or SIGTERM; print the address.

    Parameters
    ----------
    predictor : Predictor
        What answers; all of it is loaded into memory.
    host, port : str and int
        Where it listens; port 0 is any free one.
    limits : Limits
        Of each request.

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
        model = ServedModel(predictor)
        options = uvicorn.Config(Gate(model, limits), log_level="warning", timeout_graceful_shutdown=SECONDS_TO_STOP)
        server = _Server(options, model)
        name = f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listening.getsockname()[1]}"
        print(f"{predictor.method} of {', '.join(predictor.used)}\nPOST {address}{PATH} (Ctrl-C stops it)", flush=True)
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn sends them on to the handlers that it found
            signal.signal(number, server.handle_exit)
        server.run([listening])


class _Server(uvicorn.Server):
    """A server that lets its model stop as soon as a signal comes."""

    def __init__(self, options: uvicorn.Config, model: ServedModel) -> None:
        super().__init__(options)
        self._model = model

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._model.close()
        super().handle_exit(sig, frame)
