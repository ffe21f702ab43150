use super::*;

#[test]
fn the_client_gets_the_format_that_it_prefers_and_knows() {
    let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                          text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    assert_eq!(Format::wanted(prometheus), Format::OpenMetrics);
    assert_eq!(Format::wanted("application/openmetrics-text; version=1.0.0"), Format::OpenMetrics);
    for classic in [
        "",
        "*/*",
        "text/html,application/xhtml+xml",
        "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=high",
    ] {
        assert_eq!(Format::wanted(classic), Format::Classic, "{classic}");
    }
}
