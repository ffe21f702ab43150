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

#[test]
fn the_older_format_names_the_samples() {
    let open = "# HELP weir_build The version.\n# TYPE weir_build info\n\
                    weir_build_info{version=\"1\"} 1\n\
                    # HELP weir_port_bytes Bytes.\n# TYPE weir_port_bytes counter\n\
                    # UNIT weir_port_bytes bytes\nweir_port_bytes_total{port=\"a\"} 5\n# EOF\n";
    let classic = "# HELP weir_build_info The version.\n# TYPE weir_build_info gauge\n\
                       weir_build_info{version=\"1\"} 1\n\
                       # HELP weir_port_bytes_total Bytes.\n\
                       # TYPE weir_port_bytes_total counter\nweir_port_bytes_total{port=\"a\"} 5\n";
    assert_eq!(Format::Classic.of(open), classic);
    assert_eq!(Format::OpenMetrics.of(open), open);
}
