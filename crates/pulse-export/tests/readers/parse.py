"""Parses metrics from standard input with prometheus_client and prints what it understood as JSON."""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text

PARSERS = {"text": text, "openmetrics": open_metrics}

source = sys.stdin.buffer.read().decode("utf-8")
families = [
    {
        "name": family.name,
        "type": family.type,
        "unit": family.unit,
        "help": family.documentation,
        "samples": [
            {"name": sample.name, "labels": sample.labels, "value": repr(float(sample.value))}
            for sample in family.samples
        ],
    }
    for family in PARSERS[sys.argv[1]](source)
]
json.dump(families, sys.stdout)
