"""moto's Kinesis in this process, a proxy in front of it that makes the faults moto has none of, and a reader.

The proxy notes what it sees of every call: the rules that no answer shows are judged there. Never speaks to AWS.
"""

import base64
import contextlib
import http.client
import json
import logging
import os
import ssl
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
from moto.server import ThreadedMotoServer

NAME = "events"
REGION = "eu-west-1"
PUT = "PutRecords"

# moto changes its records while it reads them: one call at a time.
ONE_AT_A_TIME = threading.Lock()

# What the programs under test find instead of an account.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
os.environ.update(CREDENTIALS)
# A line for each call is too much.
logging.getLogger("werkzeug").setLevel(logging.ERROR)


@contextlib.contextmanager
def moto():
    """A fresh moto; gives its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"{host}:{port}"
    try:
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.request("POST", "/moto-api/reset")
        connection.getresponse().read()
        connection.close()
        yield address
    finally:
        server.stop()


def client(address):
    return boto3.client("kinesis", region_name=REGION, endpoint_url=f"http://{address}")


def create(address, shards):
    kinesis = client(address)
    kinesis.create_stream(StreamName=NAME, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    return kinesis


def read(kinesis):
    """Every record as (shard, partition key, object), each shard from its beginning, parents before children."""
    records = []
    for shard in kinesis.list_shards(StreamName=NAME)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=NAME, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            with ONE_AT_A_TIME:
                page = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
            for record in page["Records"]:
                records.append((shard["ShardId"], record["PartitionKey"], json.loads(record["Data"])))
            iterator = page.get("NextShardIterator") if page["Records"] else None
    return records


class Answer(Exception):
    """A fault: the proxy gives this answer instead of passing the call on."""

    def __init__(self, code, message="by the test", status=400):
        super().__init__(code)
        self.body = json.dumps({"__type": code, "message": message}).encode()
        self.status = status


class Proxy:
    """In front of moto. `fault` is called with the operation and its request before a call is passed on, and may raise
    an `Answer`, or return a set of indices: these records of PutRecords are refused and the others passed on."""

    def __init__(self, upstream, tls=None):
        self.upstream = upstream
        self.fault = lambda operation, request: None
        self.after = lambda operation, request: None
        self.calls = Counter()
        self.stored = Counter()
        self.largest_call = 0
        self.most_records = 0
        self.broken_rules = []
        self._lock = threading.Lock()
        self._on_the_way = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, operation):
        """The number of this call of an operation, from 0."""
        with self._lock:
            self.calls[operation] += 1
            return self.calls[operation] - 1

    def answer(self, headers, body):
        operation = headers.get("X-Amz-Target", "").split(".")[-1]
        request = json.loads(body)
        with self._watched(operation, request):
            refused = self.fault(operation, request) or set()
            if not refused:
                status, answered = self._pass_on(headers, body)
            else:
                status, answered = self._pass_on_but(headers, request, refused)
            if operation == PUT and status == 200:
                self._note(request, json.loads(answered))
            self.after(operation, request)
            return status, answered

    def _note(self, request, answered):
        """Counts what is stored, for whoever waits: reading all of it back again and again would take moto's time."""
        with self._lock:
            for record, result in zip(request["Records"], answered["Records"]):
                if "ErrorCode" not in result:
                    event = json.loads(base64.b64decode(record["Data"]))
                    self.stored[event["stream_id"], event["event_number"]] += 1

    def _pass_on(self, headers, body):
        connection = http.client.HTTPConnection(self.upstream, timeout=60)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in ("host", "content-length")}
            with ONE_AT_A_TIME:
                connection.request("POST", "/", body, kept)
                response = connection.getresponse()
                return response.status, response.read()
        finally:
            connection.close()

    def _pass_on_but(self, headers, request, refused):
        records = request["Records"]
        taken = [record for at, record in enumerate(records) if at not in refused]
        results = iter([])
        if taken:
            status, answered = self._pass_on(headers, json.dumps({**request, "Records": taken}).encode())
            if status != 200:
                return status, answered
            results = iter(json.loads(answered)["Records"])
        codes = ["ProvisionedThroughputExceededException", "InternalFailure"]
        entries = [
            {"ErrorCode": codes[at % 2], "ErrorMessage": "by the test"} if at in refused else next(results)
            for at in range(len(records))
        ]
        return 200, json.dumps({"FailedRecordCount": len(refused), "Records": entries}).encode()

    @contextlib.contextmanager
    def _watched(self, operation, request):
        if operation != PUT:
            yield
            return
        records = request["Records"]
        bodies = [base64.b64decode(record["Data"]) for record in records]
        keys = Counter(json.loads(body)["stream_id"] for body in bodies)
        sizes = [len(body) + len(record["PartitionKey"].encode()) for body, record in zip(bodies, records)]
        with self._lock:
            self._on_the_way.update(keys)
            twice = [key for key in keys if self._on_the_way[key] > 1]
            if twice:
                self.broken_rules.append(f"two records on their way at once of {twice[:3]}")
            self.most_records = max(self.most_records, len(records))
            self.largest_call = max(self.largest_call, sum(sizes))
        try:
            yield
        finally:
            with self._lock:
                self._on_the_way.subtract(keys)

    def _handler(proxy):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    status, answered = proxy.answer(self.headers, body)
                except Answer as fault:
                    status, answered = fault.status, fault.body
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(answered)))
                self.end_headers()
                with contextlib.suppress(OSError):  # whoever asked may have given up
                    self.wfile.write(answered)

            def log_message(self, *arguments):
                pass

        return Handler
