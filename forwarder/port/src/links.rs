//! The bpf_links of programs at tcx hooks that are kept in a BPF file system.
//! Invariant: what is asked of and done to a link is that of the very file, whatever came in its place.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::sys::{checked, owned};

/// A link; closing it changes nothing while its file is there.
#[derive(Debug)]
pub struct PinnedLink(OwnedFd);

/// What the kernel says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    pub id: u32,
    pub program: u32,
    /// Of the device; 0: it is gone, and the link leads nowhere.
    pub ifindex: u32,
    pub is_ingress: bool,
}

impl PinnedLink {
    /// What is pinned at that path.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the path is NUL-terminated and outlives the call.
        owned(unsafe { libbpf_sys::bpf_obj_get(path.as_ptr()) }).map(Self)
    }

    /// `None`: it is no link of a tcx program.
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

    /// Takes the program off at once; closing the last descriptor and removing the file would do so some
    /// time later. The link leads nowhere from then on.
    pub fn detach(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open.
        checked(unsafe { libbpf_sys::bpf_link_detach(self.0.as_raw_fd()) }).map(drop)
    }
}
