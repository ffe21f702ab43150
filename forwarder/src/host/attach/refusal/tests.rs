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
