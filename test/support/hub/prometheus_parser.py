"""Reads metrics on standard input with Prometheus' own Python parser, and prints each family as JSON: name, type and samples."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families



def number(value):
    """JSON has no infinity, so it becomes the largest number."""
    return sys.float_info.max if value == float("inf") else value


families = [
    {
        "name": family.name,
        "type": family.type,
        "help": family.documentation,
        "samples": [{"name": s.name, "labels": s.labels, "value": number(s.value)} for s in family.samples],
    }
    for family in text_string_to_metric_families(sys.stdin.read())
]
json.dump(families, sys.stdout)
