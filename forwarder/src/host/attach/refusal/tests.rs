use aya::sys::SyscallError;

use super::*;

#[test]
fn errno_becomes_advice() {
    let failed = |errno| {
        ProgramError::SyscallError(SyscallError {
            call: "bpf_link_create",
            io_error: io::Error::from_raw_os_error(errno),
        })
    };
    let text = refusal(failed(libc::EOPNOTSUPP), 1, "nic0").to_string();
    assert!(text.contains("mode = \"gate\""), "{text}");
    let gone = refusal(failed(libc::ENODEV), 1, "v1");
    assert!(matches!(gone, AttachError::Gone { .. }));
    let other = refusal(failed(libc::EPERM), 1, "v1");
    assert!(matches!(other, AttachError::Kernel { .. }), "{other}");
}

fn sample(holders: Vec<(u32, String)>) -> Occupant {
    Occupant {
        interface: "v1".into(),
        program_id: 44,
        mode: "xdpgeneric",
        program_name: Some("xdp_pass".into()),
        holders,
    }
}

#[test]
fn says_whose_and_what_to_do() {
    assert_eq!(
        sample(vec![]).to_string(),
        "id 44 `xdp_pass`, attached as xdpgeneric; ip link set dev v1 xdpgeneric off"
    );
    assert_eq!(
        sample(vec![(7, "cilium".into())]).to_string(),
        "id 44 `xdp_pass`, attached as xdpgeneric, held by cilium (7); \
             stop cilium (process 7), or ip link set dev v1 xdpgeneric off"
    );
    let mut ours = sample(vec![]);
    ours.program_name = Some("weir_nic".into());
    assert!(ours.to_string().contains("of another weir"));
}

#[test]
fn reads_fdinfo() {
    let info = "pos:\t0\nflags:\t02000002\nlink_type:\txdp\nlink_id:\t9\nprog_id:\t44\n";
    assert!(shows_program(info, 44));
    assert!(!shows_program(info, 4));
    assert!(!shows_program("pos:\t0\n", 0));
}
