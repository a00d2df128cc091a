"""Development servers beside the machines, and what is in them.

They run with this machine's files inside a machine's network, over plain HTTP as anybody could with curl. Never used by
ditto itself.
"""

import itertools
import json
import os
import subprocess
import threading
import urllib.parse
import uuid

from machine import wait_until

START = 20  # seconds that a server may take until it answers
PAGE = 1000
EVENTS = "application/vnd.eventstore.events+json"


class Store:
    def __init__(self, network, port, host="127.0.0.1", output=None, options=()):
        self.network, self.port = network, port
        # The address by which ditto finds it, also where it is told its place by gossip.
        advertise = ["--advertise", f"{host}:{port}"]
        self.address = f"{host}:{port}"
        self.output = open(output, "ab") if output else subprocess.DEVNULL
        self.process = subprocess.Popen(
            network.command(os.environ["DEVSTORE"], "--listen", f"0.0.0.0:{port}", *advertise, *options),
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
        )
        wait_until(self._answers, START, f"a server on {self.address}")

    def close(self):
        self.process.kill()
        self.process.wait()
        if self.output is not subprocess.DEVNULL:
            self.output.close()

    def write(self, stream, count, connection=None, event_type="customer_renamed"):
        """Adds events; the data tells them apart."""
        events = [
            {"eventId": str(uuid.uuid4()), "eventType": event_type, "data": {"name": f"Zoë {number}"},
             "metadata": {"correlation": stream}}
            for number in range(count)
        ]
        own = connection or self.network.http(self.port)
        try:
            own.request("POST", _path(stream), json.dumps(events), {"Content-Type": EVENTS})
            answer = own.getresponse()
            body = answer.read().decode()
        finally:
            if not connection:
                own.close()
        if answer.status != 201:
            raise AssertionError(f"{self.address} does not take events of {stream}: {answer.status} {body}")

    def read(self, stream):
        """All events of a stream, as the server shows them."""
        events = []
        connection = self.network.http(self.port)
        try:
            while True:
                connection.request("GET", f"{_path(stream)}?from={len(events)}&count={PAGE}&resolve=false")
                answer = connection.getresponse()
                body = answer.read().decode()
                if answer.status == 404:
                    return events
                if answer.status != 200:
                    raise AssertionError(f"{self.address} does not show {stream}: {answer.status} {body}")
                page = json.loads(body)
                events += page
                if len(page) < PAGE:
                    return events
        finally:
            connection.close()

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server on {self.address} ended with {self.process.returncode}")
        try:
            return self.network.get(self.port, "/info", timeout=1)[0] == 200
        except OSError:
            return False


class Load:
    """Writes events all the time, round robin over some streams, until it is closed."""

    def __init__(self, store, category, streams=20, batch=10, **options):
        self.streams = [f"{category}-{number}" for number in range(streams)]
        self.written = 0
        self._store, self._batch, self._options = store, batch, options
        self._stop = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def wait_for(self, more, within=60):
        """Until so many events more are written."""
        wanted = self.written + more
        wait_until(lambda: self._error or self.written >= wanted, within, f"{more} events are written")
        self._check()

    def close(self):
        self._stop.set()
        self._thread.join()
        self._check()

    def _check(self):
        if self._error:
            raise AssertionError("the load has failed") from self._error

    def _write(self):
        connection = self._store.network.http(self._store.port)
        try:
            for stream in itertools.cycle(self.streams):
                if self._stop.is_set():
                    return
                self._store.write(stream, self._batch, connection, **self._options)
                self.written += self._batch
        except (OSError, AssertionError) as error:
            self._error = error
        finally:
            connection.close()


def difference(source, destination, streams):
    """What differs between two servers, in words; empty if every stream is the same, event by event."""
    for stream in streams:
        ours, theirs = source.read(stream), destination.read(stream)
        for event in itertools.chain(ours, theirs):
            # The place in a server is its own.
            event.pop("position", None)
        if len(ours) != len(theirs):
            return f"{stream} has {len(ours)} events at the source, {len(theirs)} at the destination"
        for one, other in zip(ours, theirs):
            if one != other:
                return f"{stream}: {one} at the source, {other} at the destination"
    return ""


def _path(stream):
    return f"/streams/{urllib.parse.quote(stream, safe='')}"
