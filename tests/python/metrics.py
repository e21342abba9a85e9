"""Reads metrics from stdin as Prometheus' own client does; prints the names of the families."""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

families = list(text_string_to_metric_families(sys.stdin.read()))
for family in families:
    assert family.documentation, f"{family.name} has no help"
    print(family.name, family.type, family.unit, len(family.samples))
