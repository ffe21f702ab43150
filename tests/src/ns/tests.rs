use super::*;

#[test]
fn reads_a_line_of_proc_net_dev() {
    let line = "  eth0: 100 2 0 3 0 0 0 0 400 5 0 6 0 0 0 0";
    let (name, counters) = parse_dev_line(line).unwrap();
    assert_eq!(name, "eth0");
    let want = IfCounters {
        rx_bytes: 100,
        rx_packets: 2,
        rx_dropped: 3,
        tx_bytes: 400,
        tx_packets: 5,
        tx_dropped: 6,
    };
    assert_eq!(counters, want);
    assert!(parse_dev_line("Inter-|   Receive").is_none());
}
