//! A flood and a polite guest share an uplink, without a kernel. The table says what each got, and where
//! every frame went. `cargo run -p weir-core --example simulation`

use weir_core::Rate;
use weir_core::sim::{Pattern, Scenario, SimPort, Size, Source};

pub(crate) fn main() {
    let ports = vec![
        SimPort::shaped("uplink", Rate::new(1_000_000_000)),
        SimPort::vif("flood"),
        SimPort::vif("polite"),
    ];
    let to_uplink =
        |from, bytes, pattern| Source { from, to: 0, size: Size::Fixed(bytes), pattern };
    let sources = vec![
        to_uplink(1, 1500, Pattern::Greedy { packets_per_turn: 64 }),
        to_uplink(2, 200, Pattern::Cbr { packets_per_s: 20_000 }),
    ];
    let report = Scenario::new("a flood beside a polite guest", ports, sources).run();
    println!("{report}");
    assert!(report.is_exact());
    assert_eq!(report.row(2, 0).losses.total(), 0, "the flood costs the polite guest nothing");
}
