"""A provider's endpoints, on loopback, all that a Router has a method for. It counts who asked, by the key."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
ANSWERS: dict[str, dict[str, Any]] = {
    "/embeddings": {
        "object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    },
    "/completions": {
        "id": "c", "object": "text_completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "text": "Hello.", "finish_reason": "stop", "logprobs": None}], "usage": USAGE,
    },
    "/responses": {
        "id": "r", "object": "response", "created_at": 1, "model": "m", "status": "completed", "error": None,
        "output": [{
            "type": "message", "id": "m", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "Hello.", "annotations": []}],
        }],
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "incomplete_details": None, "instructions": None,
        "metadata": {}, "temperature": 1.0, "top_p": 1.0,
        "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
    },
    "/audio/transcriptions": {"text": "Hello."},
    "/chat/completions": {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    },
    "/messages": {
        "id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": None,
        "content": [{"type": "text", "text": "Hello."}], "usage": {"input_tokens": 7, "output_tokens": 3},
    },
    "/v2/rerank": {
        "id": "r", "results": [{"index": 0, "relevance_score": 0.5}],
        "meta": {"billed_units": {"search_units": 1}},
    },
    "/images/generations": {
        "created": 1, "data": [{"b64_json": "AAAA"}],
        "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10},
    },
    "/moderations": {"id": "m", "model": "m", "results": [{"flagged": False, "categories": {}, "category_scores": {}}]},
    "/audio/speech": {"sound": "of a voice"},
}  # fmt: skip


_PIECE = {"id": "c", "created": 1, "model": "m"}
_DONE = {**ANSWERS["/responses"], "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}}
STREAMS: dict[str, list[Any]] = {
    "/chat/completions": [
        {**_PIECE, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello."}}]},
        {**_PIECE, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**_PIECE, "object": "chat.completion.chunk", "choices": [], "usage": USAGE},
    ],
    "/completions": [
        {**_PIECE, "object": "text_completion", "choices": [{"index": 0, "text": "Hello.", "finish_reason": None}]},
        {**_PIECE, "object": "text_completion", "choices": [{"index": 0, "text": "", "finish_reason": "stop"}]},
        {**_PIECE, "object": "text_completion", "choices": [], "usage": USAGE},
    ],
    "/responses": [
        {"type": "response.created", "response": {**_DONE, "status": "in_progress", "output": [], "usage": None}},
        {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": "Hello."},
        {"type": "response.completed", "response": _DONE},
    ],
    "/messages": [
        {"type": "message_start", "message": {**ANSWERS["/messages"], "content": [], "stop_reason": None, "usage": {"input_tokens": 7, "output_tokens": 0}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello."}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 3}},
        {"type": "message_stop"},
    ],
}  # fmt: skip
"""The same answers in pieces."""


def _events(path: str) -> bytes:
    told = [
        f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" if "type" in e else f"data: {json.dumps(e)}\n\n"
        for e in STREAMS[path]
    ]
    return ("".join(told) + ("data: [DONE]\n\n" if path.endswith("completions") else "")).encode()


@contextmanager
def beside_chat() -> Iterator[tuple[str, Counter[str]]]:
    """Its base URL, and requests by key."""
    asked: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            key = self.headers.get("authorization") or self.headers.get("x-api-key") or ""
            asked[key.removeprefix("Bearer ").removeprefix("bearer ")] += 1
            path = self.path.partition("?")[0].removeprefix("/v1")
            in_pieces = path in STREAMS and bool(json.loads(body).get("stream"))
            answer = _events(path) if in_pieces else json.dumps(ANSWERS[path]).encode()
            self.send_response(200)
            self.send_header("content-type", "text/event-stream" if in_pieces else "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            """Nothing: tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
