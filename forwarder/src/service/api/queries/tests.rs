use super::*;

#[track_caller]
fn asked(query: &str) -> Result<FlowQuery, String> {
    let uri = format!("http://weir/?{query}").parse().unwrap();
    read(Ok(Query::try_from_uri(&uri).unwrap()), &[HISTOGRAMS, TOP, VIF])
}

#[test]
fn a_query_is_read_whole_or_refused() {
    assert_eq!(asked(""), Ok(FlowQuery::default()));
    let all = FlowQuery { histograms: true, top: Some(7), vif: Some("v 1".into()), reset: false };
    assert_eq!(asked("histograms=true&top=7&vif=v%201"), Ok(all));
    for (query, wrong) in [
        ("tpo=3", "tpo: unknown key; did you mean `top`?; valid: histograms, top, vif"),
        ("colour=", "colour: unknown key; valid: histograms, top, vif"),
        (
            "reset=true",
            "reset: unknown key; it is a POST to this path and /reset; valid: histograms, \
                 top, vif",
        ),
        ("top=0", "top: \"0\" is no number of flows; valid: 1 or more"),
        ("top=-1", "top: \"-1\" is no number of flows; valid: 1 or more"),
        ("histograms", "histograms: \"\" is neither true nor false; valid: true, false"),
        ("top=1&top=2", "top: is there twice; valid: each key once"),
    ] {
        assert_eq!(asked(query).unwrap_err(), wrong);
    }
}
