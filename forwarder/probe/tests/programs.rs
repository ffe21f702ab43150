//! The verifier accepts every program.

use weir_probe::program::Program;

#[test]
fn every_program_loads() {
    let all = [
        "count",
        "matching",
        "next_flow",
        "in_turn",
        "redirect",
        "to_socket",
        "receive",
        "tally_xdp",
        "tally_tcx",
        "tag_beside",
        "tag_then",
        "event",
    ];
    for name in all {
        match Program::load(name, &[]) {
            Err(error) if error.raw_os_error() == Some(nix::libc::EPERM) => {
                eprintln!("SKIPPED: programs: takes root ({error})");
                return;
            }
            loaded => drop(loaded.expect(name)),
        }
    }
}
