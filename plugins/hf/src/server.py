"""One model of transformers behind OpenAI's API, one request at a time.

This is the plain baseline: first come first served, no batching and no cache
between requests. The generation itself is in `inferbench_hf_generation.py`.
"""

import argparse
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from inferbench_hf_generation import Engine, Gone, Job, Refused

ARGS = argparse.ArgumentParser(description=__doc__)
ARGS.add_argument("--model", required=True, help="hub id or folder")
ARGS.add_argument("--served-model-name", required=True)
ARGS.add_argument("--host", default="127.0.0.1")
ARGS.add_argument("--port", type=int, required=True)
ARGS.add_argument("--dtype", default="auto")
ARGS.add_argument("--device", default="auto", help="auto: cuda if there is one, else cpu")
ARGS.add_argument("--device-map", help="where layers go: auto, balanced and others; needs accelerate")
ARGS.add_argument("--quantization", choices=["bnb-4bit", "bnb-8bit"], help="needs accelerate and bitsandbytes")
ARGS.add_argument("--attn-implementation", help="default: the library's choice")
ARGS.add_argument("--max-model-len", type=int, help="longest prompt plus answer, tokens")
ARGS.add_argument("--trust-remote-code", action="store_true")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    engine = None

    def log_message(self, *_):
        """Nothing: a line for each request would cost time."""

    def answer(self, status, value, kind="application/json"):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, words):
        self.answer(status, {"error": {"message": words, "type": "invalid_request_error", "code": status}})

    def do_GET(self):
        engine, path = self.engine, self.path.split("?")[0]
        if path == "/metrics":
            waiting = engine.jobs.qsize()
            lines = [("num_requests_running", "gauge", engine.running),
                     ("num_requests_waiting", "gauge", waiting),
                     ("prompt_tokens_total", "counter", engine.prompt_tokens),
                     ("generation_tokens_total", "counter", engine.generation_tokens)]
            text = "".join(f"# TYPE hf:{n} {kind}\nhf:{n} {value}\n" for n, kind, value in lines)
            self.answer(200, text.encode(), "text/plain; version=0.0.4")
        elif not engine.ready:
            self.refuse(503, "the model is still loading")
        elif path == "/health":
            self.answer(200, b"", "text/plain")
        elif path == "/v1/models":
            model = {"id": engine.args.served_model_name, "object": "model", "owned_by": "transformers",
                     "root": engine.args.model, "max_model_len": engine.max_len}
            self.answer(200, {"object": "list", "data": [model]})
        elif path == "/server_info":
            self.answer(200, engine.info)
        else:
            self.refuse(404, f"no such path: {path}")

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chat = self.path == "/v1/chat/completions"
        try:
            if not chat and self.path != "/v1/completions":
                raise Refused(404, f"no such path: {self.path}")
            if not self.engine.ready:
                raise Refused(503, "the model is still loading")
            body = json.loads(raw)
            if body.get("model") != self.engine.args.served_model_name:
                raise Refused(404, f"the model `{body.get('model')}` does not exist")
            job = Job(self.engine, self.connection, body, chat)
        except Refused as refused:
            return self.refuse(*refused.args)
        except Exception as error:
            return self.refuse(400, f"{type(error).__name__}: {error}")
        self.serve(job)

    def serve(self, job):
        if job.stream:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
        self.engine.jobs.put(job)
        job.done.wait()
        if job.gone:
            self.close_connection = True
        elif job.stream:
            for payload in job.tail():
                job.send(payload)
            self.wfile.write(b"0\r\n\r\n")
        elif job.error:
            self.refuse(500, job.error)
        else:
            self.answer(200, job.whole())

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (Gone, OSError):
            self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


def main():
    # The first process of a container does not end by a signal it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    engine = Handler.engine = Engine(ARGS.parse_args())
    server = Server((engine.args.host, engine.args.port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    engine.load()
    print(f"ready: {json.dumps(engine.info)}", file=sys.stderr, flush=True)
    # All of torch runs in this one thread; a thread of its own for each request
    # would build a new pool of workers every time.
    engine.work()


if __name__ == "__main__":
    main()
