use super::*;
use crate::cli::args::{Cli, Command};
use crate::observe::dump::samples;
use clap::Parser as _;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_api::LatencyReport;

fn parsed(line: &str) -> Result<What, clap::Error> {
    match Cli::try_parse_from(line.split(' '))?.command {
        Command::Dump(what) => Ok(what),
        other => panic!("{other:?}"),
    }
}

fn job(line: &str) -> Result<Job, String> {
    let args = parsed(&format!("weir dump {line}")).map_err(|error| error.to_string())?;
    Job::new(&args).map_err(|error| error.to_string())
}

#[test]
fn the_format_is_asked_for_or_in_the_name() {
    for (line, format, target) in [
        ("latency", Format::Table, Target::Stdout),
        ("latency --format hlog", Format::Hlog, Target::Stdout),
        ("latency --output /tmp/a.hgrm", Format::Hgrm, Target::File("/tmp/a.hgrm".into())),
        ("latency --format hgrm -o new/", Format::Hgrm, Target::Folder("new/".into())),
        ("latency --format hlog -o new/", Format::Hlog, Target::File("new/latency.hlog".into())),
        ("loss -o l.csv", Format::Csv, Target::File("l.csv".into())),
        ("flows --format table -o new/", Format::Table, Target::File("new/flows.txt".into())),
        ("flows -o l.txt --format json", Format::Json, Target::File("l.txt".into())),
    ] {
        let job = job(line).unwrap();
        assert_eq!((job.format, job.target), (format, target), "{line}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    for (line, said) in [
        ("loss --format hlog", "[possible values: table, json, csv]"),
        ("flows --by vif", "[possible values: flow]"),
        ("loss --by stage", "[possible values: vif, flow]"),
        ("latency --interval 1ms", "valid: 10ms to 86400s"),
        ("latency --interval soon", "expected a number and ns, us, ms, s"),
        ("latency --count 3", "--interval <TIME>"),
        ("latency --reset --interval 1s", "cannot be used with"),
        ("loss --reset", "unexpected argument '--reset'"),
        ("latency --format hgrm --interval 1s", "valid: hlog, json, csv, table"),
        ("loss -o l.hlog", "valid: --format with one of table, json, csv, or a name that ends so"),
        ("latency -o new/", "\"new/\" does not say in which format"),
    ] {
        let error = job(line).unwrap_err();
        assert!(error.contains(said), "{line}: {error}");
    }
}

#[test]
fn histograms_are_asked_for_where_they_are_needed() {
    for (line, needed) in [
        ("latency", false),
        ("latency --format csv", false),
        ("latency --format hlog", true),
        ("latency --format json", true),
        ("latency --by stage", true),
        ("latency --interval 1s", true),
        ("loss --by flow --format json", false),
        ("flows --format json", true),
        ("flows --format csv --interval 1s", true),
    ] {
        assert_eq!(job(line).unwrap().histograms, needed, "{line}");
    }
}

/// A weir that answers with these reports, one after the other; returns the requests.
async fn answering<T: Serialize, const N: usize>(socket: &Path, reports: [T; N]) -> Vec<String> {
    let listener = tokio::net::UnixListener::bind(socket).unwrap();
    let mut asked = Vec::new();
    for report in reports {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        asked.push(request.lines().next().unwrap_or("").to_owned());
        let body = serde_json::to_string(&report).unwrap();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    asked
}

fn second(number: u64, recorded: usize) -> LatencyReport {
    LatencyReport {
        until_unix_ns: samples::START + number * samples::SECOND,
        uptime_ns: number * samples::SECOND,
        vifs: vec![samples::vif("v1", &vec![1_000; recorded])],
        ..samples::latency()
    }
}

#[tokio::test]
async fn intervals_are_appended_and_end_after_their_count() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, file) = (dir.path().join("weir.sock"), dir.path().join("new/latency.csv"));
    let line = format!("latency --interval 10ms --count 2 --vif v1 -o {}", file.display());
    let job = job(&line).unwrap();
    let reports = [second(1, 3), second(2, 3), second(3, 10)];
    let (asked, done) =
        tokio::join!(answering(&socket, reports), job.intervals(job.every.unwrap(), &socket));
    done.unwrap();
    assert_eq!(asked, ["GET /v1/latency?histograms=true HTTP/1.1"; 3]);
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 2 * 5, "{text}");
    let [first, last] = [lines[5], lines[10]].map(|line| line.split(',').collect::<Vec<_>>());
    assert_eq!(first[2..5], ["v1", "residence", "0"]);
    assert_eq!(last[2..5], ["v1", "residence", "7"]);
    assert_eq!(first[1], last[0], "one begins where the other ends");
}

#[tokio::test]
async fn a_single_dump_is_of_the_vif_and_can_begin_a_new_recording() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, folder) = (dir.path().join("weir.sock"), dir.path().join("new"));
    let single = job(&format!("latency --format hgrm --reset -o {}/", folder.display())).unwrap();
    let (asked, done) = tokio::join!(answering(&socket, [second(1, 3)]), single.once(&socket));
    done.unwrap();
    assert_eq!(asked, ["POST /v1/latency/reset?histograms=true HTTP/1.1"]);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 5);
    assert!(folder.join("v1.residence.hgrm").is_file());

    std::fs::remove_file(&socket).unwrap();
    let unknown = job("latency --vif v9").unwrap();
    let (_, done) = tokio::join!(answering(&socket, [second(1, 3)]), unknown.once(&socket));
    let error = done.unwrap_err();
    assert_eq!(error.to_string(), "--vif: there is no port v9; valid: v1");
    assert!(error.is::<ConfigErrors>(), "the exit code is 2");

    std::fs::remove_file(&socket).unwrap();
    let off = LatencyReport { on: false, ..second(1, 0) };
    let csv = job("latency --format csv").unwrap();
    let (_, done) = tokio::join!(answering(&socket, [off]), csv.once(&socket));
    let expected = "latency: the configuration of the running weir has this switched off";
    assert_eq!(done.unwrap_err().to_string(), expected);
}
