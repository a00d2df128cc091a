"""ditto between two servers, seen by a client that nobody here wrote: kurrentdbclient writes to the source, ditto
copies, kurrentdbclient reads the destination. Never looks at ditto itself, only at what it left there.
"""

import json
import unittest
from uuid import UUID, uuid4

from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import NotFoundError

from programs import devstore, ditto, wait_until

COPIED = 60  # seconds

CONFIG = """
[source]
connection_string = "esdb://{source}?tls=false"

[destination]
type = "eventstore"
connection_string = "esdb://{destination}?tls=false"

[[subscription]]
stream = "$ce-customer"
group = "ditto-customer"

[http]
listen = "127.0.0.1:0"
"""

JSON = "application/json"
BINARY = "application/octet-stream"


def text(value, **more):
    return NewEvent(type="text", data=json.dumps(value, ensure_ascii=False).encode(), content_type=JSON, **more)


def binary(data, **more):
    return NewEvent(type="binary", data=data, content_type=BINARY, **more)


# What a stream holds, by what is special about it.
STREAMS = {
    "customer-json": [
        text({"first_name": "Zoë", "emoji": "🦀"}, metadata=b'{"source":"ditto"}'),
        text([1, 2.50, None, True], metadata=b'{ "spaces" :   "kept" }'),
        NewEvent(type="text", data=b'{"b":1,\n  "a":1.0, "a":2}', content_type=JSON),
    ],
    "customer-binary": [
        binary(bytes(range(256)), metadata=b"\x00\xff not JSON"),
        binary(b"", metadata=b"\x00"),
        binary(b""),
        binary(b'{"json": "in binary"}', metadata=b'{"a":1}'),
    ],
    "customer-mixed": [text({}), binary(b"\x00"), text({"metadata": "empty"}, metadata=b""), binary(b"")],
    "customer-large": [
        text("x" * 900 * 1024, metadata=b'{"large":true}'),
        binary(b"\x00\x01\xfe\xff" * 225 * 1024),
        text({"small": "one behind large ones"}),
        binary(b"\xaa" * 900 * 1024, metadata=b"m" * 10_000),
    ],
    "customer-ids": [
        text(1, id=UUID("00000000-0000-0000-0000-000000000001")),
        text(2, id=UUID("ffffffff-ffff-ffff-ffff-ffffffffffff")),
        text(3, id=UUID("12345678-1234-5678-9abc-def012345678")),
    ],
    "customer-types": [
        NewEvent(type=name, data=b"{}") for name in ["a b", "customer@registered", "Größe", "注文", "x" * 500, "$mine"]
    ],
    "customer-a@b@c": [text({"at": "in the name"})],
    "customer-0@customer-json": [text({"looks": "like a link's text"}), text(2)],
    "customer-more-dashes--and-": [text({"dash": "in the name"})],
    "customer-two words and  more ": [text({"space": "in the name"}), binary(b"\x20")],
    "customer-Ærøskøbing-雪-🦀": [text({"letters": "not ASCII"}), binary(b"\xe9\x9b\xaa")],
    "customer-%20&?#/\\\"'": [text({"signs": "of URLs and JSON"})],
}


class Copy(unittest.TestCase):
    """Every test has servers and a daemon of its own."""

    def setUp(self):
        source = self.enterContext(devstore())
        destination = self.enterContext(devstore())
        self.config = CONFIG.format(source=source, destination=destination)
        self.source = self.client(source)
        self.destination = self.client(destination)

    def client(self, address):
        return self.enterContext(KurrentDBClient(f"esdb://{address}?tls=false"))

    def write(self, streams):
        """One event of each stream after the other, so that streams interleave."""
        for revision in range(max(map(len, streams.values()))):
            for stream, events in streams.items():
                if revision < len(events):
                    expected = revision - 1 if revision else StreamState.NO_STREAM
                    self.source.append_to_stream(stream, current_version=expected, events=[events[revision]])

    def wait_for_copies(self, streams):
        for stream, events in streams.items():
            wait_until(lambda: length(self.destination, stream) >= len(events), COPIED, f"copy of {stream!r}")

    def assert_equal_on_both_sides(self, streams):
        for stream, events in streams.items():
            with self.subTest(stream=stream):
                written = [(revision, kept(event)) for revision, event in enumerate(events)]
                self.assertEqual(recorded(self.source, stream), written)
                self.assertEqual(recorded(self.destination, stream), written)

    def test_everything_written_before_the_start_is_copied_exactly(self):
        self.write(STREAMS)
        with ditto(self.config):
            self.wait_for_copies(STREAMS)
        self.assert_equal_on_both_sides(STREAMS)

    def test_everything_written_meanwhile_is_copied_exactly(self):
        with ditto(self.config):
            self.write(STREAMS)
            self.wait_for_copies(STREAMS)
        self.assert_equal_on_both_sides(STREAMS)

    def test_an_append_of_many_events_is_copied_exactly(self):
        stream = f"customer-{uuid4()}"
        events = [text({"number": number}) for number in range(1_000)]
        self.source.append_to_stream(stream, current_version=StreamState.NO_STREAM, events=events)
        with ditto(self.config):
            self.wait_for_copies({stream: events})
        self.assert_equal_on_both_sides({stream: events})

    def test_a_second_run_goes_on_where_the_first_one_stopped(self):
        first = {f"customer-{uuid4()}": [text(1), binary(b"2")] for _ in range(20)}
        second = {stream: events + [text(3)] for stream, events in first.items()}
        self.write(first)
        with ditto(self.config):
            self.wait_for_copies(first)
        for stream, events in second.items():
            self.source.append_to_stream(stream, current_version=1, events=events[2:])
        with ditto(self.config):
            self.wait_for_copies(second)
        self.assert_equal_on_both_sides(second)


def length(client, stream):
    try:
        return len(client.get_stream(stream))
    except NotFoundError:
        return 0


def kept(event):
    return event.id, event.type, event.content_type, event.data, event.metadata


def recorded(client, stream):
    return [(event.stream_position, kept(event)) for event in client.get_stream(stream)]


if __name__ == "__main__":
    unittest.main()
