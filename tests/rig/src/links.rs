//! Detaches the link of another process, as `bpftool link detach` does. Invariant: it touches one
//! interface, and only a program attached by a bpf_link.

use std::io;
use std::os::fd::AsRawFd;

use weir_port::probe::xdp_query;
use weir_port::sys::{checked, owned};

/// Detaches the XDP program from an interface of this network namespace; its owner keeps the link,
/// which is dead from then on.
pub fn take_off(ifindex: u32) -> io::Result<()> {
    // The index alone may match an interface of another namespace.
    let program = xdp_query(ifindex)?.prog_id;
    let mut id = 0;
    loop {
        // SAFETY: the number is written before the call returns.
        checked(unsafe { libbpf_sys::bpf_link_get_next_id(id, &raw mut id) })?;
        // SAFETY: takes a number.
        let Ok(link) = owned(unsafe { libbpf_sys::bpf_link_get_fd_by_id(id) }) else {
            // The link has gone meanwhile.
            continue;
        };
        let mut info = libbpf_sys::bpf_link_info::default();
        let mut len = size_of_val(&info) as u32;
        // SAFETY: `info` is as long as `len` says, and alive during the call.
        checked(unsafe {
            libbpf_sys::bpf_link_get_info_by_fd(link.as_raw_fd(), &raw mut info, &raw mut len)
        })?;
        // SAFETY: the kernel fills this part for links of this type; it is a number.
        let at = unsafe { info.__bindgen_anon_1.xdp.ifindex };
        let is_xdp = info.type_ == libbpf_sys::BPF_LINK_TYPE_XDP;
        if is_xdp && info.prog_id == program && at == ifindex {
            // SAFETY: the descriptor is open.
            return checked(unsafe { libbpf_sys::bpf_link_detach(link.as_raw_fd()) }).map(drop);
        }
    }
}
