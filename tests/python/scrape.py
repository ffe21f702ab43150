"""Scrapes a metrics listener, or reads what one gave, with Prometheus' own Python parsers.

Usage: scrape.py http://HOST:PORT | scrape.py FILE

Prints as JSON, by series (`name{label="value",...}`, labels in order): `open`, what the OpenMetrics
parser reads, and of a listener `classic`, what the parser of the older format reads, and `health`.

Invariant: whatever a parser refuses, or reads twice, is a failure.
"""

import json
import sys
import urllib.error
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as classic

OPEN_METRICS = "application/openmetrics-text"


def series(families):
    told = {}
    for family in families:
        if family.samples and not family.documentation:
            sys.exit(f"{family.name} has no help")
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            name = sample.name + (f"{{{labels}}}" if labels else "")
            if name in told:
                sys.exit(f"{name} is told twice")
            told[name] = sample.value
    return told


def fetch(url, accept):
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], error.read().decode()


def scrape(url, accept, kind, parser):
    status, content_type, text = fetch(url + "/metrics", accept)
    if status != 200 or not content_type.startswith(kind):
        sys.exit(f"{status}, {content_type}: {text}")
    return series(parser(text))


def main():
    source = sys.argv[1]
    if source.startswith("http://"):
        status, _, text = fetch(source + "/healthz", "*/*")
        told = {
            "open": scrape(source, OPEN_METRICS, OPEN_METRICS, open_metrics),
            "classic": scrape(source, "text/plain", "text/plain; version=0.0.4", classic),
            "health": f"{status} {text.strip()}",
        }
    else:
        with open(source, encoding="utf-8") as file:
            told = {"open": series(open_metrics(file.read()))}
    json.dump(told, sys.stdout)


main()
