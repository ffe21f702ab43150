//! A file with every feature, for tests that change it.

use crate::spec::Experiment;
use crate::spec::load::read;

pub(in crate::spec) const GOOD: &str = r#"id = "A-E9"
title = "A title"
paper = "A"
claim = "A claim."
their-setup = "Theirs."
our-setup = "Ours."

[full]
repetitions = 2
seconds = 10

[quick]
repetitions = 1
seconds = 2
values = [40]
peers = ["weir"]

[[peer]]
name = "weir"
kind = "weir"
idle = "spin"
lane = "scheduled"
config.scheduler = { policy = "fifo" }

[[peer]]
name = "bridge"
kind = "bridge"

[vary]
name = "cap"
values = [30, 40]

[[variant]]
name = "v4"
set = { family = "v4", weights = [1, "$first"], first = "$x / 10" }

[[variant]]
name = "v6"
peers = ["weir"]
set = { family = "v6", weights = [2, 1] }

[scene]
vms = 2
link = 100
vm = [
    { number = 1, max = "$x" },
]
traffic = [
    { kind = "flood", from = "vm1", to = "uplink", frame = 1514, family = "$family" },
    { kind = "probe", from = "vm2", to = "uplink", size = 200, start = "$seconds * 0.5", name = "polite" },
]
load = [{ what = "burn", at = "vm2", start = 1, stop = "$seconds" }]
step = [{ at = "$seconds / 2", weights = "$weights" }]
window = [
    { name = "alone", from = 0.5, to = "$seconds * 0.5" },
    { name = "both", from = "$seconds * 0.5 + 0.5", to = "$seconds" },
]

[[check]]
what = "beside the other as alone"
value = { quantity = "both.vm1.mbit", peer = "weir" }
over = { quantity = "alone.vm1.mbit", peer = "weir" }
least = 0.98

[[figure]]
title = "A figure"
y = { name = "throughput", unit = "Mb/s" }
line = [{ quantity = "both.vm1.mbit", name = "VM 1", peers = ["weir", "bridge"] }]
published = ["Figure 4"]

[[published]]
figure = "Figure 4"
what = "throughput"
line = [{ name = "VM 1", points = [[30, 30], [40, 38, 35, 41]] }]
"#;

pub(in crate::spec) fn good() -> Experiment {
    read(GOOD, "A-E9").unwrap()
}

/// The message about the file with `from` replaced.
pub(in crate::spec) fn told(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    refused(&GOOD.replacen(from, to, 1))
}

/// Without the variables of the first cell, in which most errors are found.
pub(in crate::spec) fn refused(text: &str) -> String {
    let what = read(text, "A-E9").expect_err(text);
    what.replace(" (with variant v4, $x = 30, $seconds = 10)", "")
}
