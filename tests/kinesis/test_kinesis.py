"""ditto to a Kinesis that nobody here wrote: an independent client writes to the source, boto3 reads the data stream.

Nothing is claimed about AWS itself: order and shards are moto's. Never asks ditto whether a record is there.
"""

import datetime
import json
import threading
import time
import unittest

from kurrentdbclient import NewEvent

import datastream
from copying import COPIED, Copy, json_event, streams_of
from datastream import NAME, PUT, REGION, Answer
from programs import ditto, wait_until


class Backlog(Copy):
    def test_5000_events_of_200_streams_are_complete_and_in_order(self):
        streams = streams_of(200, 25)
        self.write(streams, step=5)
        with ditto(self.config):
            self.wait_for(streams)
            wait_until(lambda: self.subscription().get("lag_events") == 0, COPIED, "lag of 0")
            self.assertEqual(self.get("/readyz")[0], 200)
            self.assertGreater(self.metric("ditto_io_duration_seconds_count"), 0)
            self.assertIn('resource="kinesis"', self.get("/metrics")[1])
            self.assertIn(f"Kinesis data stream {NAME}", self.get("/status")[1])
        self.assert_complete_and_in_order(streams)
        self.assertEqual(len({shard for shard, _, _ in datastream.read(self.kinesis)}), 4)
        self.assertGreater(self.proxy.most_records, 10, "many streams a call")
        self.assertLessEqual(self.proxy.most_records, 500)
        self.assertLessEqual(self.proxy.largest_call, 5 * 1024 * 1024)

    def test_a_restart_in_the_middle_loses_nothing_and_keeps_the_order(self):
        streams = streams_of(50, 40)
        self.write(streams, step=8)
        # Slow, so that there is a middle.
        self.proxy.fault = lambda operation, request: time.sleep(0.1) if operation == PUT else None
        with ditto(self.config):
            wait_until(lambda: len(self.proxy.stored) > 400, COPIED, "400 records")
        self.assertLess(len(self.records()), 50 * 40, "stopped in the middle")
        with ditto(self.config):
            self.wait_for(streams)
        self.assert_complete_and_in_order(streams, exactly_once=False)

    def test_large_events_go_in_calls_of_at_most_5_mebibytes(self):
        large = NewEvent(type="large", data=json.dumps("x" * 700 * 1024).encode())
        streams = {f"customer-{number}": [large] for number in range(20)}
        streams = {
            stream: [NewEvent(type=event.type, data=event.data) for event in events] for stream, events in streams.items()
        }
        self.write(streams)
        with ditto(self.config):
            self.wait_for(streams)
        self.assert_complete_and_in_order(streams)
        self.assertLessEqual(self.proxy.largest_call, 5 * 1024 * 1024)


class Mapping(Copy):
    shards = 1

    def test_a_record_holds_the_event_and_nothing_of_it_is_changed(self):
        huge = b'{"n": 123456789012345678901234567890, "x": 1.10}'
        long_name = "customer-" + "n" * 300
        streams = {
            "customer-json": [NewEvent(type="a b", data=huge, metadata=b"[ 1 ]")],
            "customer-empty": [NewEvent(type="empty", data=b"", content_type="application/octet-stream")],
            "customer-binary": [
                NewEvent(type="binary", data=b"\xff\x00", metadata=b"\xfe", content_type="application/octet-stream")
            ],
            long_name: [json_event(0)],
        }
        self.write(streams)
        with ditto(self.config):
            self.wait_for(streams)
        raw = self.kinesis.get_records(ShardIterator=self.iterator())["Records"]
        by_stream = {json.loads(record["Data"])["stream_id"]: record for record in raw}
        self.assertIn(b',"data":' + huge + b',"metadata":[ 1 ]}', by_stream["customer-json"]["Data"])
        objects = {stream: json.loads(record["Data"]) for stream, record in by_stream.items()}
        self.assertEqual(objects["customer-binary"]["data_base64"], "/wA=")
        self.assertEqual(objects["customer-binary"]["metadata_base64"], "/g==")
        head = ["stream_id", "event_id", "event_number", "event_type", "event_timestamp", "replicated_on"]
        self.assertEqual(list(objects["customer-empty"]), head)
        for stream, events in streams.items():
            written = self.source.get_stream(stream)[0]
            record = objects[stream]
            self.assertEqual(record["event_id"], str(events[0].id))
            self.assertEqual((record["event_number"], record["event_type"]), (0, events[0].type))
            self.assertRegex(record["event_timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$")
            stored = datetime.datetime.fromisoformat(record["event_timestamp"])
            # Python keeps six digits, and each way of reading rounds the seventh as it likes.
            difference = abs(stored - written.recorded_at.astimezone(datetime.UTC))
            self.assertLessEqual(difference, datetime.timedelta(microseconds=1))
        self.assertEqual(by_stream["customer-json"]["PartitionKey"], "customer-json")
        self.assertRegex(by_stream[long_name]["PartitionKey"], r"^[0-9a-f]{64}$")

    def iterator(self):
        shard = self.kinesis.list_shards(StreamName=NAME)["Shards"][0]["ShardId"]
        return self.kinesis.get_shard_iterator(StreamName=NAME, ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
            "ShardIterator"
        ]

    def test_an_event_that_is_too_large_is_parked_with_the_sizes_and_its_stream_goes_on(self):
        too_large = NewEvent(type="large", data=json.dumps("x" * 1_000_000).encode(), metadata=b" " * 100_000)
        self.write({"customer-1": [json_event(0), too_large, json_event(2)]})
        with ditto(self.config):
            wait_until(lambda: len(self.proxy.stored) == 2, COPIED, "what is not too large")
            wait_until(lambda: self.subscription().get("parked") == 1, COPIED, "the parked event")
            self.assertEqual(self.metric("ditto_events_parked_total"), 1)
        self.assertEqual([record["event_number"] for record in self.records()], [0, 2])
        parked = self.source.get_stream("$persistentsubscription-$ce-customer::ditto-kinesis-parked")
        self.assertRegex(parked[0].metadata.decode(), r"ditto: refused: .* has 1\d{6} bytes .* takes 1048576")

    def test_with_read_only_nothing_is_sent_and_the_group_is_left_alone(self):
        self.config = self.configuration("read_only = true")
        self.write({"customer-1": [json_event(0), json_event(1)]})
        with ditto(self.config):
            wait_until(lambda: self.metric("ditto_events_processed_total") == 2, COPIED, "the preview")
        self.assertEqual(self.records(), [])
        self.assertEqual(self.proxy.calls[PUT], 0)
        self.assertEqual(self.source.list_subscriptions(), [])


class Faults(Copy):
    def setUp(self):
        super().setUp()
        self.streams = streams_of(40, 10)
        self.write(self.streams, step=5)

    def test_throttled_calls_are_sent_again_and_counted(self):
        def throttle(operation, request):
            if operation == PUT and self.proxy.count(PUT) % 3 < 2:
                raise Answer("ProvisionedThroughputExceededException")

        self.proxy.fault = throttle
        with ditto(self.config):
            self.wait_for(self.streams)
            self.assertGreater(self.metric("ditto_records_throttled_total"), 0)
        self.assert_complete_and_in_order(self.streams)

    def test_after_partial_failures_no_record_of_a_stream_passes_an_earlier_one(self):
        seen = 0

        def refuse_some(operation, request):
            nonlocal seen
            if operation != PUT:
                return None
            refused = {at for at in range(len(request["Records"])) if (seen + at * at) % 3 == 0}
            seen += 1
            return refused

        self.proxy.fault = refuse_some
        with ditto(self.config):
            self.wait_for(self.streams)
            self.assertGreater(self.metric("ditto_records_throttled_total"), 0)
        self.assert_complete_and_in_order(self.streams)

    def test_refused_credentials_are_said_nothing_is_parked_and_it_goes_on_once_they_are_taken(self):
        self.refuse_credentials("AccessDeniedException")

    def test_unknown_credentials_are_treated_the_same(self):
        self.refuse_credentials("UnrecognizedClientException")

    def test_calls_that_are_all_invalid_park_nothing_and_are_sent_again(self):
        for code in ("InvalidArgumentException", "ValidationException", "SerializationException"):
            with self.subTest(code):
                self.setUp()
                self.refuse_credentials(code)

    def refuse_credentials(self, code):
        refused = threading.Event()
        refused.set()

        def refuse(operation, request):
            if refused.is_set():
                raise Answer(code)

        self.proxy.fault = refuse
        with ditto(self.config):
            wait_until(lambda: code in self.subscription().get("reason", ""), COPIED, f"{code} in the status")
            self.assertEqual(self.get("/readyz")[0], 503)
            refused.clear()
            self.wait_for(self.streams)
            wait_until(lambda: self.get("/readyz")[0] == 200, COPIED, "ready again")
            self.assertEqual(self.metric("ditto_events_parked_total"), 0)
        self.assert_complete_and_in_order(self.streams)

    def test_calls_that_hang_end_by_their_limit_and_are_sent_again(self):
        let_go = threading.Event()
        self.addCleanup(let_go.set)

        def hang(operation, request):
            # Two calls are never passed on.
            if operation == PUT and self.proxy.count(PUT) < 2:
                let_go.wait(COPIED)
                raise Answer("InternalFailureException", status=500)

        self.proxy.fault = hang
        with ditto(self.config):
            self.wait_for(self.streams)
        self.assertFalse(let_go.is_set())
        self.proxy.broken_rules.clear()  # a call that was given up still counts as under way at the proxy
        self.assert_complete_and_in_order(self.streams)

    def test_a_lost_answer_repeats_records_and_loses_none(self):
        let_go = threading.Event()
        self.addCleanup(let_go.set)

        def lose(operation, request):
            if operation == PUT and self.proxy.count(PUT) == 1:
                let_go.wait(COPIED)

        self.proxy.after = lose
        with ditto(self.config):
            self.wait_for(self.streams)
        self.proxy.broken_rules.clear()
        self.assertGreater(len(self.records()), 400, "what was stored without an answer is there twice")
        self.assert_complete_and_in_order(self.streams, exactly_once=False)

    def test_one_record_that_is_not_taken_is_parked_and_no_other(self):
        def refuse(operation, request):
            bodies = [record["PartitionKey"] for record in request.get("Records", [])]
            if operation == PUT and "customer-7" in bodies:
                raise Answer("InvalidArgumentException")

        self.proxy.fault = refuse
        with ditto(self.config):
            bad = self.streams.pop("customer-7")
            self.wait_for(self.streams)
            parked = len(bad)
            wait_until(lambda: self.subscription().get("parked") == parked, COPIED, "the parked events")
        # What was stored last is sent again, to see whether anything is accepted.
        self.assert_complete_and_in_order(self.streams, exactly_once=False)


class Resharding(Copy):
    shards = 2

    def test_a_shard_that_is_split_meanwhile_loses_nothing(self):
        streams = streams_of(40, 60)
        self.write(streams, step=20)
        self.proxy.fault = lambda operation, request: time.sleep(0.05) if operation == PUT else None
        with ditto(self.config):
            wait_until(lambda: len(self.proxy.stored) > 200, COPIED, "200 records")
            shard = self.kinesis.list_shards(StreamName=NAME)["Shards"][0]
            first, last = (int(shard["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey"))
            middle = str((first + last) // 2)
            with datastream.ONE_AT_A_TIME:
                self.kinesis.split_shard(StreamName=NAME, ShardToSplit=shard["ShardId"], NewStartingHashKey=middle)
            self.wait_for(streams)
        self.assert_complete_and_in_order(streams)
        self.assertEqual(len(self.kinesis.list_shards(StreamName=NAME)["Shards"]), 4)


class Missing(Copy):
    shards = 0

    def test_a_data_stream_that_is_missing_is_said_and_used_once_it_is_there(self):
        streams = streams_of(3, 3)
        self.write(streams)
        with ditto(self.config):
            expected = "create the data stream"
            wait_until(lambda: expected in self.subscription().get("reason", ""), COPIED, "the reason in the status")
            self.assertEqual(self.get("/readyz")[0], 503)
            self.kinesis = datastream.create(self.moto, 1)
            self.wait_for(streams)
            self.assertEqual(self.metric("ditto_events_parked_total"), 0)
        self.assert_complete_and_in_order(streams)


class Check(Copy):
    def test_check_describes_the_data_stream_and_writes_nothing(self):
        code, text = self.command("check", "--connect")
        self.assertEqual(code, 0, text)
        self.assertIn(f"ok: destination: Kinesis data stream {NAME} in {REGION}", text)
        self.assertIn("is ACTIVE, 4 open shards, records up to 1048576 bytes", text)
        self.assertEqual(self.records(), [])

    def test_check_names_what_is_wrong(self):
        def denied(operation, request):
            if operation == PUT:
                raise Answer("AccessDeniedException")

        self.proxy.fault = denied
        code, text = self.command("check", "--connect")
        self.assertEqual(code, 1, text)
        self.assertIn("problem: destination: failed to put records: AccessDeniedException", text)
        self.kinesis.delete_stream(StreamName=NAME)
        code, text = self.command("check", "--connect")
        self.assertEqual(code, 1, text)
        self.assertIn("failed to describe the data stream: ResourceNotFoundException", text)

    def test_verify_is_not_offered_and_says_why(self):
        code, text = self.command("verify")
        self.assertEqual(code, 78, text)
        self.assertIn("the destination is a Kinesis data stream, which cannot be read back", text)


if __name__ == "__main__":
    unittest.main()
