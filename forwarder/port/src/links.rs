//! The bpf_links of programs at tcx hooks, pinned in a BPF file system. Invariant: a request concerns the
//! link of the file that was opened, even if another file has replaced it.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::sys::{checked, owned};

/// An open link. Closing it changes nothing while its file exists.
#[derive(Debug)]
pub struct PinnedLink(OwnedFd);

/// The kernel's information about a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    pub id: u32,
    pub program: u32,
    /// The index of the device; 0: the device is gone, and the link is attached to nothing.
    pub ifindex: u32,
    pub is_ingress: bool,
}

impl PinnedLink {
    /// Opens the link pinned at that path.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the path is NUL-terminated and outlives the call.
        owned(unsafe { libbpf_sys::bpf_obj_get(path.as_ptr()) }).map(Self)
    }

    /// Returns `None` if it is not the link of a tcx program.
    pub fn facts(&self) -> io::Result<Option<LinkFacts>> {
        let mut info = libbpf_sys::bpf_link_info::default();
        let mut len = size_of_val(&info) as u32;
        // SAFETY: `info` is as long as `len` says, and alive during the call.
        checked(unsafe {
            libbpf_sys::bpf_link_get_info_by_fd(self.0.as_raw_fd(), &raw mut info, &raw mut len)
        })?;
        if info.type_ != libbpf_sys::BPF_LINK_TYPE_TCX {
            return Ok(None);
        }
        // SAFETY: the kernel fills this part for links of this type; it is numbers.
        let (ifindex, hook) = unsafe {
            let tcx = info.__bindgen_anon_1.tcx;
            (tcx.ifindex, tcx.attach_type)
        };
        let is_ingress = hook == libbpf_sys::BPF_TCX_INGRESS;
        Ok(Some(LinkFacts { id: info.id, program: info.prog_id, ifindex, is_ingress }))
    }

    /// Detaches the program at once; closing the last descriptor and removing the file would do so some time
    /// later. The link is attached to nothing from then on.
    pub fn detach(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open.
        checked(unsafe { libbpf_sys::bpf_link_detach(self.0.as_raw_fd()) }).map(drop)
    }
}
