"""The benchmark of a data stream: a loop of one PutRecord at a time against ditto, both to the same simple endpoint.

The endpoint answers every call after 10 ms each way and keeps only what is needed to judge completeness and order: moto
takes milliseconds for a record and would measure itself. The loop is the SDK's own client, its connection kept open.
Never measures AWS.
"""

import asyncio
import base64
import json
import sys
import threading
import time

import boto3
from botocore.config import Config
from kurrentdbclient import KurrentDBClient, NewEvent, StreamState

from datastream import NAME, REGION
from programs import devstore, ditto, wait_until

ONE_WAY = 0.010  # seconds
STREAMS = 200
LOOP = 200  # records of the loop
LEAST = 50  # times

CONFIG = """
[source]
connection_string = "esdb://{source}?tls=false"

[destination]
type = "kinesis"
stream_name = "{name}"
region = "{region}"
endpoint_url = "{endpoint}"

[[subscription]]
stream = "$ce-customer"
group = "ditto-kinesis"

[http]
listen = "127.0.0.1:0"

[log]
level = "warn"
"""


class Endpoint:
    """Answers PutRecord and PutRecords. Only what comes in is kept: (stream, number), and when."""

    def __init__(self):
        self.bodies = []
        self.count = 0
        self.first = self.last = 0.0
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0, limit=16 << 20))
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
                body = await reader.readexactly(int(headers[b"content-length"]))
                await asyncio.sleep(ONE_WAY)
                answer = self.answer(headers[b"x-amz-target"].split(b".")[-1], json.loads(body))
                await asyncio.sleep(ONE_WAY)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n" % len(answer) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer(self, operation, request):
        stored = b'{"SequenceNumber":"1","ShardId":"shardId-000000000000"}'
        now = time.monotonic()
        self.first = self.first or now
        self.last = now
        if operation == b"putrecord":
            self.count += 1
            return stored
        records = request["Records"]
        self.bodies += [record["Data"] for record in records]
        self.count += len(records)
        return b'{"FailedRecordCount":0,"Records":[' + b",".join([stored] * len(records)) + b"]}"


def event(number):
    data = json.dumps({"number": number, "name": "Ada Lovelace", "street": "St James's Square 12"}).encode()
    return NewEvent(type="customer_renamed", data=data, metadata=b'{"source":"bench"}')


def one_at_a_time():
    """Records a second."""
    endpoint = Endpoint()
    config = Config(retries={"max_attempts": 0}, tcp_keepalive=True)
    client = boto3.client("kinesis", region_name=REGION, endpoint_url=endpoint.url, config=config)
    data = event(0).data
    began = time.monotonic()
    for number in range(LOOP):
        client.put_record(StreamName=NAME, PartitionKey=f"customer-{number % STREAMS}", Data=data)
    return LOOP / (time.monotonic() - began)


def with_ditto(events):
    """Records a second, from the first that arrives to the last."""
    endpoint = Endpoint()
    each = events // STREAMS
    with devstore() as source:
        with KurrentDBClient(f"esdb://{source}?tls=false") as client:
            for begin in range(0, each, 10):
                for stream in range(STREAMS):
                    client.append_to_stream(
                        f"customer-{stream}",
                        current_version=begin - 1 if begin else StreamState.NO_STREAM,
                        events=[event(begin + at) for at in range(min(10, each - begin))],
                    )
        config = CONFIG.format(source=source, name=NAME, region=REGION, endpoint=endpoint.url)
        with ditto(config):
            wait_until(lambda: endpoint.count >= each * STREAMS, 600, f"{each * STREAMS} records")
    judge(endpoint, each)
    return each * STREAMS / (endpoint.last - endpoint.first)


def judge(endpoint, each):
    numbers = {}
    for body in endpoint.bodies:
        record = json.loads(base64.b64decode(body))
        numbers.setdefault(record["stream_id"], []).append(record["event_number"])
    wrong = [stream for stream, found in numbers.items() if found != list(range(each))]
    if wrong or len(numbers) != STREAMS:
        raise AssertionError(f"not complete or not in order: {wrong[:3]}")


def main(events):
    loop = one_at_a_time()
    print(f"one PutRecord at a time: {loop:,.0f} records/s", flush=True)
    copied = with_ditto(events)
    print(f"ditto, {STREAMS} streams:      {copied:,.0f} records/s, {copied / loop:.0f} times as fast", flush=True)
    return 0 if copied >= LEAST * loop else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
