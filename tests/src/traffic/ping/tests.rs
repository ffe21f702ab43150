use super::{Echo, parse};

#[test]
fn reads_the_summary() {
    let text = "--- 10.0.0.2 ping statistics ---\n5 packets transmitted, 4 received, 20% packet loss, time 203ms\n";
    assert_eq!(parse(text), Some(Echo { sent: 5, received: 4 }));
    assert_eq!(parse("ping: unknown host"), None);
}
