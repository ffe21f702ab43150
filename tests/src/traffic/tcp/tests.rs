use super::parse;

#[test]
fn reads_the_receivers_sum_and_reports_errors() {
    let good = r#"{"end":{"sum_sent":{"retransmits":3},"sum_received":{"bits_per_second":1.5e9,"bytes":7}}}"#;
    let result = parse(good).unwrap();
    assert_eq!((result.bits_per_second, result.bytes, result.retransmits), (1.5e9, 7, 3));
    assert!(parse(r#"{"error":"refused"}"#).unwrap_err().to_string().contains("refused"));
}
