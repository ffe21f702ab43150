use super::*;
use std::process::{Command as Program, Stdio};

fn names(command: &Command) -> Vec<String> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.map(|command| command.get_name().to_owned()).collect()
}

#[test]
fn every_shell_completes_every_command() {
    let mut weir = Cli::command();
    let commands = names(&weir);
    assert!(commands.len() > 8, "{commands:?}");
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut weir, "weir", &mut text);
        let text = String::from_utf8(text).unwrap();
        for command in commands.iter().map(String::as_str).chain(["latency", "--interval"]) {
            let word = |c: char| !c.is_alphanumeric() && c != '_' && c != '-';
            // fish omits the dashes.
            let bare = command.trim_start_matches('-');
            let known = text.split(word).any(|text| text == command || text == bare);
            assert!(known, "{shell} does not know {command}");
        }
    }
}

#[test]
fn every_command_has_a_page_that_man_can_read() {
    let dir = tempfile::tempdir().unwrap();
    man(&dir.path().join("man1")).unwrap();
    let mut pages: Vec<_> = std::fs::read_dir(dir.path().join("man1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    pages.sort();
    let named = |name: &str| pages.iter().any(|page| page.ends_with(format!("{name}.1")));
    let commands = names(&Cli::command());
    assert!(commands.iter().all(|name| named(&format!("weir-{name}"))), "{pages:?}");
    assert!(named("weir") && named("weir-port-set") && named("weir-dump-latency"));
    let dump = std::fs::read_to_string(dir.path().join("man1/weir-dump.1")).unwrap();
    assert!(dump.contains("\\&  weir dump latency \\-\\-output latency.hlog  "), "{dump}");
    for page in pages {
        let mut groff = Program::new("groff");
        groff.args(["-man", "-ww", "-Tutf8", "-z"]).arg(&page).stdin(Stdio::null());
        // groff is not installed on every system; if it is, it must accept the page.
        let Ok(output) = groff.output() else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{}: {said}", page.display());
    }
}

#[test]
fn text_stays_text() {
    assert_eq!(literal(".nf 'a\\b' --c"), "\\&.nf \\(aqa\\eb\\(aq \\-\\-c");
}
