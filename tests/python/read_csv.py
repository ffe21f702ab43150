"""Prints the rows of a CSV file, by the names of their columns, as JSON.

Usage: read_csv.py FILE
"""

import csv
import json
import sys

with open(sys.argv[1], newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file, strict=True, restkey="?"))
assert all("?" not in row and None not in row.values() for row in rows), "ragged rows"
print(json.dumps(rows))
