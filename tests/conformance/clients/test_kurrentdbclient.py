"""The development server as the Python client kurrentdbclient sees it: a smoke test of what applications do.

Its sisters are db-client.cjs and eventstore.rs. Never asks for what a real server would not do.
"""

import unittest
from uuid import uuid4

from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import NotFoundError, StreamIsDeletedError, WrongCurrentVersionError

from programs import devstore, wait_until

CALL = 20  # seconds; the deadline of calls that wait for events


def events(count, event_type="customer_registered"):
    return [NewEvent(type=event_type, data=b'{"n":%d}' % number, metadata=b'{"m":1}') for number in range(count)]


class KurrentDBClientSmoke(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        address = cls.enterClassContext(devstore())
        cls.client = cls.enterClassContext(KurrentDBClient(f"esdb://{address}?tls=false"))

    def setUp(self):
        self.stream = f"customer-{uuid4()}"

    def append(self, new, expected=StreamState.NO_STREAM):
        return self.client.append_to_stream(self.stream, current_version=expected, events=new)

    def test_append_and_read_both_ways(self):
        new = events(3)
        self.append(new[:2])
        self.append(new[2], expected=1)
        with self.assertRaises(WrongCurrentVersionError):
            self.append(events(1), expected=7)
        forwards = self.client.get_stream(self.stream)
        self.assertEqual([(e.id, e.data, e.metadata) for e in forwards], [(e.id, e.data, e.metadata) for e in new])
        self.assertEqual([e.stream_position for e in forwards], [0, 1, 2])
        backwards = self.client.get_stream(self.stream, backwards=True, limit=2)
        self.assertEqual([e.id for e in backwards], [new[2].id, new[1].id])
        links = self.client.get_stream("$ce-customer", resolve_links=True)
        self.assertTrue({e.id for e in new} <= {e.id for e in links})

    def test_catch_up_with_filter(self):
        event_type = f"wanted-{uuid4()}"
        old, other, live = events(2, event_type), events(1, "unwanted"), events(1, event_type)
        self.append([*old, *other])
        with self.client.subscribe_to_all(filter_include=[event_type], timeout=CALL) as all_events:
            self.assertEqual([next(all_events).id for _ in old], [e.id for e in old])
            self.append(live, expected=2)
            self.assertEqual(next(all_events).id, live[0].id)
        with self.client.subscribe_to_stream(self.stream, stream_position=1, timeout=CALL) as one_stream:
            self.assertEqual([next(one_stream).id for _ in range(2)], [other[0].id, live[0].id])

    def test_metadata(self):
        self.append(events(5))
        self.client.set_stream_metadata(self.stream, metadata={"$maxCount": 2, "owner": "Zoë"})
        self.assertEqual(self.client.get_stream_metadata(self.stream), ({"$maxCount": 2, "owner": "Zoë"}, 0))
        self.assertEqual([e.stream_position for e in self.client.get_stream(self.stream)], [3, 4])

    def test_delete(self):
        self.append(events(2))
        self.client.delete_stream(self.stream, current_version=1)
        with self.assertRaises(NotFoundError):
            self.client.get_stream(self.stream)
        self.append(events(1), expected=StreamState.ANY)
        self.assertEqual([e.stream_position for e in self.client.get_stream(self.stream)], [2])
        self.client.tombstone_stream(self.stream, current_version=StreamState.ANY)
        with self.assertRaises(StreamIsDeletedError):
            self.client.get_stream(self.stream)

    def test_persistent_subscription_with_ack_park_and_replay(self):
        group, new = f"group-{uuid4()}", events(3)
        self.append(new)
        self.client.create_subscription_to_stream(group, self.stream)

        def parked():
            return self.client.get_subscription_info(group, self.stream).parked_message_count

        with self.client.read_subscription_to_stream(group, self.stream, timeout=CALL) as subscription:
            received = [next(subscription) for _ in new]
            self.assertEqual([e.id for e in received], [e.id for e in new])
            subscription.ack(received[0])
            subscription.nack(received[1], action="park")
            subscription.ack(received[2])
            wait_until(lambda: parked() == 1, CALL, "the event is parked")
            self.client.replay_parked_events(group, self.stream)
            replayed = next(subscription)
            self.assertEqual(replayed.id, new[1].id)
            subscription.ack(replayed)
            wait_until(lambda: parked() == 0, CALL, "the parked stream is empty again")
        self.client.delete_subscription(group, self.stream)


if __name__ == "__main__":
    unittest.main()
