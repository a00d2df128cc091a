"""A receiver of OTLP over http/protobuf that decodes with OpenTelemetry's own definitions, and can be made to misbehave.

Never looks at what ditto says elsewhere.
"""

import contextlib
import http.server
import socket
import ssl
import threading

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)


class Line:
    """One line with what came around it."""

    def __init__(self, record, scope, resource, headers):
        self.severity = record.severity_text
        self.number = record.severity_number
        self.body = record.body.string_value
        self.nanoseconds = record.time_unix_nano
        self.attributes = {one.key: one.value.string_value for one in record.attributes}
        self.scope = scope.name
        self.resource = {one.key: one.value.string_value for one in resource.attributes}
        self.headers = headers


class Receiver:
    """Listens on a free port of 127.0.0.1, or on a given one. `answer` is a status, or "nothing" to never answer, or
    "reset" to cut the connection; `refuses` lines of each request are said to be refused.
    """

    def __init__(self, port=0, certificate=None):
        self.lines = []
        self.requests = 0
        self.answer = 200
        self.refuses = 0
        self._ended = threading.Event()
        self._connections = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                receiver._connections.append(self.connection)

            def do_POST(self):
                receiver._take(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that went away is what some tests are about

        self._server = Server(("127.0.0.1", port), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def _take(self, request):
        body = request.rfile.read(int(request.headers["content-length"]))
        self.requests += 1
        if self.answer == "nothing":
            self._ended.wait()
            return
        if self.answer == "reset":
            linger = (1).to_bytes(4, "little") + bytes(4)
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            request.connection.close()
            request.close_connection = True
            return
        if self.answer == 200:
            # Whatever is not what the definitions say fails here, and ditto gets no answer.
            assert request.path == "/v1/logs", request.path
            assert request.headers["content-type"] == "application/x-protobuf", request.headers["content-type"]
            self._keep(ExportLogsServiceRequest.FromString(body), dict(request.headers.items()))
        partial = ExportLogsPartialSuccess(rejected_log_records=self.refuses) if self.refuses else None
        answer = ExportLogsServiceResponse(partial_success=partial).SerializeToString()
        request.send_response(self.answer)
        request.send_header("content-type", "application/x-protobuf")
        request.send_header("content-length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)

    def _keep(self, batch, headers):
        for one in batch.resource_logs:
            for scoped in one.scope_logs:
                for record in scoped.log_records:
                    self.lines.append(Line(record, scoped.scope, one.resource, headers))

    def find(self, text):
        """The first line whose body begins so, or None."""
        return next((line for line in list(self.lines) if line.body.startswith(text)), None)

    def end(self):
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        # Those that are kept alive end, too: it is gone.
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
