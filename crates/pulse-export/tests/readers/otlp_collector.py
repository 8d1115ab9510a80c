"""An OTLP collector that takes one request, decodes it with the official messages and prints what it got as JSON.

The first line it prints is the port it listens on, the second one the request.
"""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = ExportMetricsServiceRequest()
        request.ParseFromString(body)
        # Fields that no message knows are kept silently, and vanish here.
        size = request.ByteSize()
        request.DiscardUnknownFields()
        print(
            json.dumps(
                {
                    "path": self.path,
                    "content_type": self.headers["Content-Type"],
                    "complete": request.ByteSize() == size,
                    "request": MessageToDict(request),
                }
            ),
            flush=True,
        )
        answer = ExportMetricsServiceResponse()
        answer.partial_success.rejected_data_points = 2
        answer.partial_success.error_message = "two were too old"
        payload = answer.SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Collector)
print(server.server_port, flush=True)
server.handle_request()
