//! Counts frames and bytes by the last byte of one of their addresses, and the delays of stamped
//! datagrams, in the kernel: so measuring needs no running receiver.
//!
//! Invariant: every frame for one address is counted once and by its length on the wire, whether it
//! comes alone or merged with others; group frames, which the guests' own kernels send now and then,
//! are not counted. A delay is taken where the program runs, so it includes no wake-up.

use std::io;

use aya::maps::{Array, Map};
use weir_probe::program::{Hook, PerCpu, Program, refused};

/// The number of delays kept: by the datagram's number modulo this.
const DELAYS: u32 = 1 << 16;
const ALL: u32 = 256;
const NONE: u32 = 257;

/// The frames from one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// A merged frame counts as one.
    pub frames: u64,
    /// On the wire, without the trailer.
    pub bytes: u64,
    /// Frames on the wire: a merged frame counts as all that it was made of.
    pub segments: u64,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, more: Self) {
        self.frames += more.frames;
        self.bytes += more.bytes;
        self.segments += more.segments;
    }
}

/// The address whose last byte tells the sources apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    SourceMac,
    /// The destination IP address: it tells ways apart that end at one host, each at an address of its
    /// own, and reach it through one neighbour. Frames without IP, or with a tag, are not counted then.
    DestinationAddress,
}

/// The sources whose frames go on to the stack; all others end at the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    All,
    Only(u8),
    None,
}

/// The numbers that a program keeps.
#[derive(Debug)]
pub struct Tally {
    counts: PerCpu<3>,
    delays: Map,
}

impl Tally {
    /// Counts every frame that is not for a group; for the source `timed` it also records the delays of
    /// stamped datagrams. A frame longer than one of this MTU counts as merged. The program is for this
    /// hook only. It spends `spends_ns` on each frame, as the rules of a firewall would, 20 us at most.
    pub fn load(
        by: By,
        timed: Option<u8>,
        keep: Keep,
        mtu: u16,
        hook: Hook,
        spends_ns: u32,
    ) -> io::Result<(Program, Self)> {
        let keep = match keep {
            Keep::All => ALL,
            Keep::Only(source) => source.into(),
            Keep::None => NONE,
        };
        let globals: [(&str, &[u32]); 5] = [
            ("BY_DESTINATION", &[(by == By::DestinationAddress).into()]),
            ("TIMED", &[timed.map_or(NONE, u32::from)]),
            ("KEEP", &[keep]),
            ("MTU", &[mtu.into()]),
            ("SPENDS", &[spends_ns]),
        ];
        let name = if hook == Hook::Tcx { "tally_tcx" } else { "tally_xdp" };
        let mut program = Program::load(name, &globals)?;
        let tally = Self { counts: program.per_cpu("COUNTS")?, delays: program.map("DELAYS")? };
        Ok((program, tally))
    }

    /// The count from the source so far.
    pub fn from(&self, source: u8) -> io::Result<Count> {
        let [frames, bytes, segments] = self.counts.sums(source.into())?;
        Ok(Count { frames, bytes, segments })
    }

    /// The delays of the timed source's datagrams numbered `numbers`, as far as they arrived.
    pub fn delays_ns(&self, numbers: std::ops::Range<u32>) -> io::Result<Vec<u64>> {
        let map = Array::<_, u64>::try_from(&self.delays).map_err(refused)?;
        let mut delays = Vec::new();
        for number in numbers {
            let ns = map.get(&(number % DELAYS), 0).map_err(refused)?;
            delays.extend((ns != 0).then_some(ns));
        }
        Ok(delays)
    }
}
