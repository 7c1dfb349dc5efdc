"""A collector of OpenTelemetry that reads OTLP with OpenTelemetry's own messages.

    collector.py RECORD

Prints its port, then writes a line of JSON to the file RECORD for everything it is sent: {"traces": …} or {"metrics": …}.
"""

import json
import sys

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from recording import Recording, serve

MESSAGES = {"/v1/traces": ("traces", ExportTraceServiceRequest), "/v1/metrics": ("metrics", ExportMetricsServiceRequest)}


class Collector(Recording):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name, kind = MESSAGES[self.path]
        message = kind()
        message.ParseFromString(body)
        line = {name: MessageToDict(message), "headers": dict(self.headers.items())}
        with self.lock, open(self.record, "a") as record:
            record.write(json.dumps(line) + "\n")
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

if __name__ == "__main__":
    serve(Collector, *sys.argv[1:])
