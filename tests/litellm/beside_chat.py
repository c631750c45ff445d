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


@contextmanager
def beside_chat() -> Iterator[tuple[str, Counter[str]]]:
    """Its base URL, and requests by key."""
    asked: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            key = self.headers.get("authorization") or self.headers.get("x-api-key") or ""
            asked[key.removeprefix("Bearer ").removeprefix("bearer ")] += 1
            answer = json.dumps(ANSWERS[self.path.partition("?")[0].removeprefix("/v1")]).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
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
