"""Reads an interval log with HdrHistogram's Python port, and holds a percentile distribution
against it.

Usage: read_histograms.py LOG [DISTRIBUTION]

Prints, as JSON, a list with an object for each line of the log. Every line of the distribution
must say what the port says of the same tag's histogram (all intervals together): the count of
what is no longer than the line's value, and the value at that count.
"""

import json
import re
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader


def intervals(path):
    reader = HistogramLogReader(path, HdrHistogram(64, 1 << 34, 2))
    while histogram := reader.get_next_interval_histogram():
        yield histogram
    reader.close()


def check(path, by_tag):
    tag, lines = None, 0
    for line in open(path, encoding="utf-8"):
        words = line.split()
        if match := re.match(r"#\[Histogram: (\S+), values in microseconds\]", line):
            tag, last = match.group(1), 0
            continue
        if not words or words[0] == "Value":
            continue
        histogram = by_tag[tag]
        total = histogram.get_total_count()
        if words[0].startswith("#["):
            numbers = [float(word) for word in re.findall(r"= +([\d.]+)", line)]
            mine = {
                "#[Mean": lambda: [histogram.get_mean_value() / 1000],
                "#[Max": lambda: [histogram.get_max_value() / 1000, total],
                "#[Buckets": lambda: [histogram.bucket_count, histogram.sub_bucket_count],
            }[words[0]]()
            near = [abs(a - b) <= 0.001 + a / 100 for a, b in zip(mine, numbers)]
            assert all(near), f"{tag}: {line.strip()}: {mine}"
            if words[0] == "#[Max":
                assert last == total, f"{tag}: {last} of {total} are in the lines"
            continue
        value, level, last = round(float(words[0]) * 1000), float(words[1]), int(words[2])
        below = sum(
            histogram.get_count_at_index(index)
            for index in range(histogram.counts_len)
            if histogram.get_value_from_index(index) <= value
        )
        assert below == last, f"{tag}: {below} are no longer than {value} ns: {line}"
        assert last / total >= level - 1e-9, f"{tag}: {line}"
        at = histogram.get_value_at_percentile(100 * last / total)
        assert at == value, f"{tag}: the port says {at} ns: {line}"
        lines += 1
    assert lines, "a distribution without a line"


def main():
    by_tag, told = {}, []
    for histogram in intervals(sys.argv[1]):
        told.append(
            {
                "tag": histogram.get_tag(),
                "start_ms": round(histogram.get_start_time_stamp()),
                "end_ms": round(histogram.get_end_time_stamp()),
                "count": histogram.get_total_count(),
                "min": histogram.get_min_value(),
                "p50": histogram.get_value_at_percentile(50),
                "p99": histogram.get_value_at_percentile(99),
                "max": histogram.get_max_value(),
            }
        )
        if sum_of_tag := by_tag.get(histogram.get_tag()):
            sum_of_tag.add(histogram)
        else:
            by_tag[histogram.get_tag()] = histogram
    if len(sys.argv) > 2:
        check(sys.argv[2], by_tag)
    print(json.dumps(told))


main()
