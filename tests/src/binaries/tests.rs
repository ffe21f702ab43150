use super::*;

#[test]
fn the_readers_are_there_and_failures_are_told() {
    let script = "import hdrh.log, prometheus_client.parser, sys; print(sys.argv[1:])";
    assert_eq!(run_python(script, ["a b", "c"]).unwrap(), "['a b', 'c']\n");
    let error = run_python("import sys; sys.exit('no such tag')", [""; 0]).unwrap_err();
    assert!(error.to_string().contains("no such tag"), "{error:#}");
}
