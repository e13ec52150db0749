"""The model and its generation: `generate` as transformers has it, one request
at a time. Every token is sent by the thread that generates, the moment the
model yields it.
"""

import collections
import copy
import inspect
import json
import queue
import socket
import sys
import threading
import time


# The cache is measured after so many steps of so many tokens.
CACHE_STEPS, CACHE_STEP = 8, 16


def tensor_bytes(value, torch):
    """Bytes of all tensors below a value, whatever the library keeps them in."""
    seen, found, todo = set(), {}, [value]
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            found[value.data_ptr()] = value.numel() * value.element_size()
        elif isinstance(value, dict):
            todo.extend(value.values())
        elif isinstance(value, (list, tuple)):
            todo.extend(value)
        elif hasattr(value, "__dict__"):
            todo.extend(vars(value).values())
    return sum(found.values())


def quantized(method, transformers):
    """The library's config for 4 or 8 bits, as `transformers serve` has it."""
    if method == "bnb-8bit":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)


class Refused(Exception):
    """A request that cannot be answered: HTTP status and words."""


class Gone(Exception):
    """The client has gone away; ends the generation from inside."""


class Engine:
    """The model, and the queue of those who wait for it."""

    def __init__(self, args):
        self.args = args
        self.ready = False
        self.jobs = queue.SimpleQueue()
        self.running = self.prompt_tokens = self.generation_tokens = 0

    def load(self):
        import torch
        import transformers
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

        args, remote = self.args, self.args.trust_remote_code
        self.torch = torch
        version = tuple(int(part) for part in transformers.__version__.split(".")[:2])
        options = {"dtype" if version >= (4, 56) else "torch_dtype": args.dtype}
        if args.attn_implementation:
            options["attn_implementation"] = args.attn_implementation
        device = args.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        is_placed = bool(args.device_map or args.quantization)
        if is_placed:
            # Layers are put into place, and weights are quantized, while they are read.
            options["device_map"] = args.device_map or device
        if args.quantization:
            options["quantization_config"] = quantized(args.quantization, transformers)
        model = AutoModelForCausalLM.from_pretrained(args.model, trust_remote_code=remote, **options)
        self.model = (model if is_placed else model.to(device)).eval()
        by_device = collections.Counter()
        for p in self.model.parameters():
            by_device[p.device] += p.numel() * p.element_size()
        self.devices, weights = list(by_device), max(by_device.values())
        print(f"loaded: {json.dumps({'weights_bytes': weights})}", file=sys.stderr, flush=True)
        # Encoding changes a tokenizer's state, so decoding has one of its own.
        tokenizers = [AutoTokenizer.from_pretrained(args.model, trust_remote_code=remote) for _ in "ed"]
        self.encoder, self.decoder = tokenizers
        self.encoding = threading.Lock()
        eos = model.generation_config.eos_token_id
        self.eos = set(eos if isinstance(eos, list) else [] if eos is None else [eos])
        # The model's own sampling defaults (penalties, top-p) would make this
        # backend sample unlike the others: they are for requests that name none.
        self.defaults = model.generation_config
        model.generation_config = GenerationConfig()
        config = model.config.get_text_config()
        limits = [args.max_model_len, getattr(config, "max_position_embeddings", None)]
        self.max_len = min((n for n in limits if n), default=None)
        self.vocab = config.vocab_size
        self.info = {
            "model": args.model,
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": ", ".join(sorted(map(str, self.devices))),
            "quantization": args.quantization,
            "attn_implementation": getattr(config, "_attn_implementation", None),
            "max_model_len": self.max_len,
            "max_position_embeddings": getattr(config, "max_position_embeddings", None),
            "transformers": transformers.__version__,
            "torch": torch.__version__,
            "weights_bytes": weights,
            "kv_growth": self.kv_growth(),
        }
        self.ready = True

    def kv_growth(self):
        """Pairs of a sequence's tokens and the bytes of its cache: on a GPU what
        torch holds more than before, elsewhere the sizes of the tensors. None if
        the model cannot be asked so; it is served all the same.
        """
        torch, device = self.torch, self.model.device
        cuda = device.type == "cuda"
        held_now = lambda: sum(torch.cuda.memory_allocated(d) for d in self.devices if d.type == "cuda")
        length = min(CACHE_STEPS * CACHE_STEP, self.max_len or CACHE_STEPS * CACHE_STEP)
        # The argument's name since transformers 5.24, and the one before.
        takes = inspect.signature(self.model.forward).parameters
        name = "cache" if "cache" in takes else "past_key_values"
        pairs, cache = [], None
        try:
            with torch.inference_mode():
                # What libraries take once, for their own work, comes first.
                self.model(torch.ones((1, 1), dtype=torch.long, device=device), use_cache=True, return_dict=False)
                before = held_now() if cuda else 0
                for tokens in range(CACHE_STEP, length + 1, CACHE_STEP):
                    ids = torch.ones((1, CACHE_STEP), dtype=torch.long, device=device)
                    cache = self.model(ids, **{name: cache}, use_cache=True, return_dict=False)[1]
                    del ids
                    held = held_now() - before if cuda else tensor_bytes(cache, torch)
                    pairs.append((tokens, held))
        except Exception as error:
            print(f"cache cannot be measured: {error!r}", file=sys.stderr, flush=True)
            return None
        return pairs if pairs and pairs[-1][1] else None

    def prompt(self, body, chat):
        """Token ids of the prompt, checked."""
        with self.encoding:
            if chat:
                text = self.encoder.apply_chat_template(
                    body["messages"], tokenize=False, add_generation_prompt=True)
                ids = self.encoder(text, add_special_tokens=False).input_ids
            else:
                ids = body["prompt"]
                if isinstance(ids, str):
                    ids = self.encoder(ids).input_ids
        if not ids or not all(type(n) is int and 0 <= n < self.vocab for n in ids):
            raise Refused(400, f"prompt must be token ids from 0 to {self.vocab - 1}, at least one")
        return ids

    def work(self):
        """Answers one job after the other, for ever."""
        while True:
            job = self.jobs.get()
            self.running = 1
            try:
                self.generate(job)
            except Gone:
                job.gone = True
            except Exception as error:  # The next job must not pay for this one.
                print(f"request failed: {error!r}", file=sys.stderr, flush=True)
                job.error = f"{type(error).__name__}: {error}"
            self.running = 0
            job.done.set()

    def options(self, job):
        """What `generate` is told: how long the answer is, and how tokens are picked."""
        options = {"max_new_tokens": job.max_tokens}
        if job.temperature is None:
            config = copy.deepcopy(self.defaults)
            # Lengths are the request's.
            config.max_length, config.min_length = None, 0
            config.eos_token_id = None
            options["generation_config"] = config
            if job.top_p is not None:
                options["top_p"] = job.top_p
        else:
            options["do_sample"] = job.temperature > 0
            if options["do_sample"]:
                options.update(temperature=job.temperature, top_k=0,
                               top_p=1.0 if job.top_p is None else job.top_p)
        if job.forced:
            options["min_new_tokens"] = job.max_tokens
        elif self.eos:
            options["eos_token_id"] = sorted(self.eos)
        return options

    def generate(self, job):
        torch = self.torch
        ids = torch.tensor([job.ids], device=self.model.device)
        options = self.options(job)
        if job.seed is not None:
            torch.manual_seed(job.seed)
        self.prompt_tokens += len(job.ids)
        job.check_client()
        with torch.inference_mode():
            self.model.generate(ids, attention_mask=torch.ones_like(ids), pad_token_id=0,
                                streamer=job, **options)


class Job:
    """One request, and the streamer of its generation."""

    def __init__(self, engine, connection, body, chat):
        self.engine, self.connection, self.chat = engine, connection, chat
        self.ids = engine.prompt(body, chat)
        self.max_tokens = int(body.get("max_tokens") or body.get("max_completion_tokens") or 16)
        self.forced = bool(body.get("ignore_eos"))
        # None: as the model's own generation config has it.
        self.temperature = number(body, "temperature", 0, None)
        self.top_p = number(body, "top_p", 0, 1)
        self.seed = body.get("seed")
        if self.seed is not None and type(self.seed) is not int:
            raise Refused(400, f"seed is {self.seed!r}, must be a whole number")
        self.stream = bool(body.get("stream"))
        asked = body.get("stream_options") or {}
        self.include_usage = bool(asked.get("include_usage"))
        self.continuous = bool(asked.get("continuous_usage_stats"))
        limit, length = engine.max_len, len(self.ids) + self.max_tokens
        if limit and length > limit:
            raise Refused(400, f"prompt of {len(self.ids)} tokens and answer of {self.max_tokens} "
                               f"make {length}, maximum context length is {limit}")
        kind = ("chat.completion.chunk" if self.stream else "chat.completion") if chat else "text_completion"
        self.head = {"id": f"cmpl-{id(self):x}", "object": kind, "created": int(time.time()),
                     "model": engine.args.served_model_name}
        # The last prompt tokens tell the decoder whether a word goes on.
        self.window = list(self.ids[-5:])
        self.prefix, self.read = 0, len(self.window)
        self.count, self.texts, self.finish = 0, [], None
        self.past_prompt = self.gone = False
        self.error = None
        self.done = threading.Event()

    def check_client(self):
        try:
            if self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"":
                raise Gone
        except BlockingIOError:
            pass
        except OSError as error:
            raise Gone from error

    def put(self, value):
        """Takes what `generate` yields: the prompt first, then each token."""
        if not self.past_prompt:
            self.past_prompt = True
            return
        for token in value.flatten().tolist():
            self.token(token)
        self.check_client()

    def end(self):
        """Called by `generate` at its end, which `put` has seen already."""

    def token(self, token):
        self.count += 1
        self.engine.generation_tokens += 1
        if not self.forced and token in self.engine.eos:
            self.finish = "stop"
        elif self.count == self.max_tokens:
            self.finish = "length"
        text = self.text_of(token)
        if not self.stream:
            self.texts.append(text)
            return
        choice = {"index": 0, **self.content(text), "token_ids": [token],
                  "logprobs": None, "finish_reason": self.finish}
        event = {**self.head, "choices": [choice]}
        if self.continuous:
            event["usage"] = self.usage()
        self.send(sse(event))

    def content(self, text):
        if not self.chat:
            return {"text": text}
        role = {"role": "assistant"} if self.count == 1 else {}
        return {"delta": {**role, "content": text}}

    def text_of(self, token):
        """What the token adds; empty while a character is unfinished."""
        self.window.append(token)
        decode = self.engine.decoder.decode
        before = decode(self.window[self.prefix:self.read], skip_special_tokens=True)
        after = decode(self.window[self.prefix:], skip_special_tokens=True)
        unfinished = after.endswith("\ufffd") and self.finish is None
        if unfinished or len(after) <= len(before):
            return ""
        self.prefix, self.read = self.read, len(self.window)
        return after[len(before):]

    def usage(self):
        prompt = len(self.ids)
        return {"prompt_tokens": prompt, "completion_tokens": self.count,
                "total_tokens": prompt + self.count}

    def tail(self):
        """The end of the stream, after the last token."""
        if self.error:
            yield sse({"error": {"message": self.error, "type": "internal_error", "code": 500}})
        elif self.include_usage:
            yield sse({**self.head, "choices": [], "usage": self.usage()})
        yield b"data: [DONE]\n\n"

    def send(self, payload):
        try:
            self.connection.sendall(b"%x\r\n%s\r\n" % (len(payload), payload))
        except OSError as error:
            raise Gone from error

    def whole(self):
        text = "".join(self.texts)
        body = {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
        choice = {"index": 0, **body, "logprobs": None, "finish_reason": self.finish}
        return {**self.head, "choices": [choice], "usage": self.usage()}


def number(body, name, lowest, highest):
    """A field of a request that is a number, or None."""
    value = body.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or value < lowest or (highest is not None and value > highest):
        limits = f"{lowest} or more" if highest is None else f"from {lowest} to {highest}"
        raise Refused(400, f"{name} is {value!r}, must be {limits}")
    return float(value)


def sse(value):
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"
