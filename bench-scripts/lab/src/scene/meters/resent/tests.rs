use super::*;

#[test]
fn the_count_stands_below_its_name() {
    let text = "Ip: Forwarding\nIp: 2\nTcp: RtoMin MaxConn RetransSegs InErrs\nTcp: 200 -1 38 0\n";
    assert_eq!(of(text).unwrap(), 38);
    assert!(of("Ip: Forwarding\nIp: 2\n").is_err());
    assert!(of("Tcp: RtoMin\nTcp: 200\n").is_err());
}

#[test]
fn this_kernel_counts_it() {
    of(&fs::read_to_string("/proc/self/net/snmp").unwrap()).unwrap();
}
