//! Reads from the running kernel's BTF where it keeps what the gate reads of a packet. Invariant: all that the
//! gate needs, or a reason; a wrong guess would make it read another field as the segment size.

use std::ffi::{CStr, c_char};
use std::path::Path;

use libbpf_sys::{btf, btf_member, btf_type};
use weir_abi::{SkbOffsets, kfunc::Kfuncs};

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    #[error(
        "this kernel does not say how it keeps packets: it has no {VMLINUX}; it takes a kernel with \
         CONFIG_DEBUG_INFO_BTF, Linux 6.6 or later"
    )]
    Missing,
    #[error("{VMLINUX} does not tell what the gate reads of a packet: it takes Linux 6.6 or later")]
    Unusable,
}

/// The facts with which a loader adapts the gate to this kernel's packet layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelFacts {
    /// For the gate's global `SKB_OFFSETS`.
    pub skb: SkbOffsets,
    kfuncs: Kfuncs,
}

impl KernelFacts {
    /// Reads the running kernel's BTF, which is some megabytes: milliseconds.
    pub fn read() -> Result<Self, BtfError> {
        let found = Vmlinux::load().and_then(|btf| {
            let skb = btf.skb().filter(SkbOffsets::usable)?;
            Some(Self { skb, kfuncs: btf.kfuncs()? })
        });
        found.ok_or_else(|| {
            if Path::new(VMLINUX).exists() { BtfError::Unusable } else { BtfError::Missing }
        })
    }

    /// Returns the compiled object, linked for this kernel.
    pub fn link(&self, object: &[u8]) -> Vec<u8> {
        let mut linked = object.to_vec();
        weir_abi::kfunc::link(&mut linked, self.kfuncs);
        linked
    }
}

struct Vmlinux(*mut btf);

impl Vmlinux {
    fn load() -> Option<Self> {
        // SAFETY: no argument is passed; null is returned on failure.
        let btf = unsafe { libbpf_sys::btf__load_vmlinux_btf() };
        (!btf.is_null()).then_some(Self(btf))
    }

    fn skb(&self) -> Option<SkbOffsets> {
        let skb = self.structure(c"sk_buff")?;
        let redirected = skb.bit_offset(c"redirected")?;
        // Bits are counted from the low end of a byte on a little-endian machine.
        let bit = if cfg!(target_endian = "little") { redirected % 8 } else { 7 - redirected % 8 };
        let summed = skb.bit_offset(c"ip_summed")?;
        let shift = if cfg!(target_endian = "little") { summed % 8 } else { 6 - summed % 8 };
        Some(SkbOffsets {
            data: skb.offset(c"data")?,
            csum_start: skb.offset(c"csum_start")?,
            ip_summed: summed / 8,
            ip_summed_shift: shift,
            head: skb.offset(c"head")?,
            end: skb.offset(c"end")?,
            redirected: redirected / 8,
            redirected_mask: 1 << bit,
            gso_type: self.structure(c"skb_shared_info")?.offset(c"gso_type")?,
            shinfo_type: self.id(c"skb_shared_info", libbpf_sys::BTF_KIND_STRUCT)?,
        })
    }

    fn kfuncs(&self) -> Option<Kfuncs> {
        Some(Kfuncs {
            cast_to_kern_ctx: self.id(c"bpf_cast_to_kern_ctx", libbpf_sys::BTF_KIND_FUNC)?,
            rdonly_cast: self.id(c"bpf_rdonly_cast", libbpf_sys::BTF_KIND_FUNC)?,
        })
    }

    fn id(&self, name: &CStr, kind: u32) -> Option<u32> {
        // SAFETY: `self.0` is a loaded BTF, `name` a string.
        let id = unsafe { libbpf_sys::btf__find_by_name_kind(self.0, name.as_ptr(), kind) };
        u32::try_from(id).ok().filter(|id| *id != 0)
    }

    fn structure(&self, name: &CStr) -> Option<Struct<'_>> {
        let id = self.id(name, libbpf_sys::BTF_KIND_STRUCT)?;
        // SAFETY: `self.0` is a loaded BTF, and the types that it returns live as long as it does.
        let found = unsafe { libbpf_sys::btf__type_by_id(self.0, id).as_ref()? };
        Some(Struct { btf: self, found })
    }
}

impl Drop for Vmlinux {
    fn drop(&mut self) {
        // SAFETY: loaded once, freed once; `Struct` borrows from it.
        unsafe { libbpf_sys::btf__free(self.0) }
    }
}

struct Struct<'a> {
    btf: &'a Vmlinux,
    found: &'a btf_type,
}

/// The depth of anonymous structs and unions inside each other: far more than the kernel has.
const MAX_DEPTH: u32 = 4;

impl<'a> Struct<'a> {
    /// The byte offset of a member, including members of anonymous structs and unions.
    fn offset(&self, member: &CStr) -> Option<u32> {
        self.bit_offset(member).map(|bits| bits / 8)
    }

    /// The offset in bits, for a member that is part of a byte.
    fn bit_offset(&self, member: &CStr) -> Option<u32> {
        self.offset_in(member, MAX_DEPTH)
    }

    fn offset_in(&self, member: &CStr, depth: u32) -> Option<u32> {
        let has_bitfields = self.found.info >> 31 != 0;
        self.members().iter().find_map(|m| {
            let bits = if has_bitfields { m.offset & 0xff_ffff } else { m.offset };
            match self.name(m) {
                Some(name) if name == member => Some(bits),
                Some(name) if name.is_empty() && depth > 0 => {
                    let inner = self.inner(m.type_)?.offset_in(member, depth - 1)?;
                    Some(bits + inner)
                }
                _ => None,
            }
        })
    }

    fn members(&self) -> &'a [btf_member] {
        let count = (self.found.info & 0xffff) as usize;
        // SAFETY: `count` members follow a struct or union type in BTF.
        unsafe {
            let first = std::ptr::from_ref(self.found).add(1).cast::<btf_member>();
            std::slice::from_raw_parts(first, count)
        }
    }

    fn inner(&self, id: u32) -> Option<Struct<'a>> {
        // SAFETY: a type of this BTF, which lives as long as `'a`.
        let found = unsafe { libbpf_sys::btf__type_by_id(self.btf.0, id).as_ref()? };
        let kind = found.info >> 24 & 0x1f;
        let compound = kind == libbpf_sys::BTF_KIND_STRUCT || kind == libbpf_sys::BTF_KIND_UNION;
        compound.then_some(Struct { btf: self.btf, found })
    }

    fn name(&self, member: &btf_member) -> Option<&CStr> {
        // SAFETY: a string of the BTF, which outlives `self`; null if there is none.
        unsafe {
            let name: *const c_char = libbpf_sys::btf__name_by_offset(self.btf.0, member.name_off);
            if name.is_null() { None } else { Some(CStr::from_ptr(name)) }
        }
    }
}

#[cfg(test)]
mod tests;
