//! Links the gate to two functions of the running kernel, which the object format cannot name.
//! Invariant: in the object their placeholders are instructions that do nothing; the gate is loaded
//! only where they have become calls.
//!
//! Without these, the gate would need a `bpf_probe_read_kernel` of 25 ns for each field that it reads of a
//! `sk_buff`. The verifier turns `bpf_cast_to_kern_ctx` and `bpf_rdonly_cast` into moves, so a field takes a
//! plain load. Both are in kernels since 6.2.

/// Loaded into r0 where `bpf_cast_to_kern_ctx` is to be called.
pub const CAST_TO_KERN_CTX: i32 = 0x3ed1_7a01;
/// Likewise `bpf_rdonly_cast`.
pub const RDONLY_CAST: i32 = 0x3ed1_7a02;

/// The identifiers of the two functions in the running kernel's BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kfuncs {
    pub cast_to_kern_ctx: u32,
    pub rdonly_cast: u32,
}

/// `r0 = imm`.
const MOV_R0: [u8; 4] = [0xb7, 0, 0, 0];
/// `call kfunc(imm)`, by identifier in the kernel's BTF.
const CALL_KFUNC: [u8; 4] = [0x85, 0x20, 0, 0];

/// Replaces the placeholders in a compiled object by calls; gives how many there were of each.
/// An object without any, which is not the gate's, stays as it is.
pub fn link(object: &mut [u8], kfuncs: Kfuncs) -> [usize; 2] {
    let wanted = [(CAST_TO_KERN_CTX, kfuncs.cast_to_kern_ctx), (RDONLY_CAST, kfuncs.rdonly_cast)];
    let mut found = [0; 2];
    // Instructions are 8 bytes, in sections that begin at multiples of 8.
    for instruction in object.as_chunks_mut::<8>().0 {
        let [a, b, c, d, imm @ ..] = *instruction;
        for ((placeholder, id), count) in wanted.iter().zip(&mut found) {
            if [a, b, c, d] == MOV_R0 && imm == placeholder.to_le_bytes() {
                let [e, f, g, h] = id.to_le_bytes();
                let [a, b, c, d] = CALL_KFUNC;
                *instruction = [a, b, c, d, e, f, g, h];
                *count += 1;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
