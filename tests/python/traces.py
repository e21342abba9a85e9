"""Reads what was sent to a collector, the body of one request, with the messages that OpenTelemetry itself publishes for Python, and prints the
spans: name, kind, its own id and that of its parent, status, and attributes as JSON."""

import json
import sys

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def plain(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    return getattr(value, kind)


request = ExportTraceServiceRequest()
request.ParseFromString(sys.stdin.buffer.read())
for resource in request.resource_spans:
    for attribute in resource.resource.attributes:
        print("resource", attribute.key, json.dumps(plain(attribute.value)))
    for scope in resource.scope_spans:
        for span in scope.spans:
            assert len(span.trace_id) == 16 and len(span.span_id) == 8 and len(span.parent_span_id) in (0, 8)
            assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
            told = {
                "name": span.name,
                "kind": Span.SpanKind.Name(span.kind),
                "trace": span.trace_id.hex(),
                "id": span.span_id.hex(),
                "parent": span.parent_span_id.hex(),
                "status": Status.StatusCode.Name(span.status.code),
                "attributes": {attribute.key: plain(attribute.value) for attribute in span.attributes},
            }
            print("span", json.dumps(told))
