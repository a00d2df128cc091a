"""The demo of a Kinesis data stream: seeds a source, runs the real ditto, and prints what the AWS SDK reads back.

Judges by its own reading, and ends with 1 if an event is missing, changed or out of order. Never asks ditto.
"""

import json
import sys
import time
import uuid
from collections import defaultdict

from kurrentdbclient import KurrentDBClient, NewEvent, StreamState

import datastream
from programs import devstore, ditto, wait_until

COPY = 60  # seconds
NAMES = ["Ada Lovelace", "Zoë Čapek", "Grace Hopper", "Łukasz Żak", "Emmy Noether", "小林 さくら", "Alan Turing",
         "Søren Ångström", "Mary O'Brien", "Niklaus Wirth"]
TYPES = ["customer_registered", "customer_phone_number_changed", "customer_renamed"]

CONFIG = """
[source]
connection_string = "esdb://{source}?tls=false"

[destination]
type = "kinesis"
stream_name = "{name}"
region = "{region}"
endpoint_url = "http://{kinesis}"

[[subscription]]
stream = "$ce-customer"
group = "ditto-kinesis"

[http]
listen = "127.0.0.1:0"
"""


def seed(client):
    """Three events for each of ten customers, the streams interleaved; gives them by stream."""
    streams = {f"customer-{uuid.uuid4()}": name for name in NAMES}
    written = defaultdict(list)
    for revision, event_type in enumerate(TYPES):
        for stream, name in streams.items():
            data = json.dumps({"name": name, "change": revision}, ensure_ascii=False).encode()
            event = NewEvent(type=event_type, data=data, metadata=b'{"source": "ditto"}')
            expected = revision - 1 if revision else StreamState.NO_STREAM
            client.append_to_stream(stream, current_version=expected, events=[event])
            written[stream].append(event)
    return written


def expected(events):
    return [
        (at, str(event.id), event.type, json.loads(event.data), json.loads(event.metadata))
        for at, event in enumerate(events)
    ]


def found(records):
    return [
        (record["event_number"], record["event_id"], record["event_type"], record["data"], record["metadata"])
        for record in records
    ]


def show(written, records):
    """Prints a line a stream and one whole record; gives how many events are as they were written."""
    by_stream, shard_of = defaultdict(list), {}
    for shard, _, record in records:
        by_stream[record["stream_id"]].append(record)
        shard_of[record["stream_id"]] = shard
    print(f"\n{'stream':<46} {'shard':<22} {'events':>6} {'identical':>10}")
    identical = 0
    for stream, events in written.items():
        same = sum(ours == theirs for ours, theirs in zip(expected(events), found(by_stream[stream])))
        identical += same
        print(f"{stream:<46} {shard_of.get(stream, '-'):<22} {len(by_stream[stream]):>6} {same:>10}")
    if records:
        print("\none of the records, as boto3 reads it:\n" + json.dumps(records[0][2], ensure_ascii=False, indent=2))
    return identical


def main(keep):
    with devstore() as source, datastream.moto() as kinesis_address:
        kinesis = datastream.create(kinesis_address, 2)
        with KurrentDBClient(f"esdb://{source}?tls=false") as client:
            written = seed(client)
        count = sum(map(len, written.values()))
        print(f"source {source}: {count} events in streams customer-…", flush=True)
        print(f"destination: data stream {datastream.NAME} of moto at {kinesis_address}, empty; starting ditto", flush=True)
        config = CONFIG.format(
            source=source, name=datastream.NAME, region=datastream.REGION, kinesis=kinesis_address
        )
        with ditto(config):
            wait_until(lambda: len(datastream.read(kinesis)) >= count, COPY, f"{count} records")
            records = datastream.read(kinesis)
            identical = show(written, records)
            print(f"\n{identical} of {max(count, len(records))} events identical", flush=True)
            if keep:
                print(f"ditto goes on: append to streams customer-… of {source}. Ctrl-C ends the demo.", flush=True)
                try:
                    while True:
                        time.sleep(3600)
                except KeyboardInterrupt:
                    pass
        return 0 if identical == count == len(records) else 1


if __name__ == "__main__":
    sys.exit(main("--keep" in sys.argv[1:]))
