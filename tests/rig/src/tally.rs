//! Counts frames and bytes by the last byte of one of their addresses, and how long stamped
//! datagrams took to get here, in the kernel: no receiver has to run to be measured.
//!
//! Invariant: every frame for one address is counted once and by its length on the wire, whether it
//! comes alone or merged with others; what is for a group, as the guests' own kernels send it now and
//! then, is not counted. A delay is taken where the program runs, so that it holds no waking up.

use std::io;

use aya::maps::{Array, Map};
use weir_probe::program::{Hook, PerCpu, Program, refused};

/// Delays kept: by the datagram's number modulo this.
const DELAYS: u32 = 1 << 16;
const ALL: u32 = 256;
const NONE: u32 = 257;

/// What came from one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// A merged frame is one.
    pub frames: u64,
    /// On the wire, without the trailer.
    pub bytes: u64,
    /// Frames on the wire: a merged one is as many as it was made of.
    pub segments: u64,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, more: Self) {
        self.frames += more.frames;
        self.bytes += more.bytes;
        self.segments += more.segments;
    }
}

/// Whose last byte tells the sources apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    SourceMac,
    /// The IP address that a frame is for: it tells ways apart that end at one host, each at an
    /// address of its own, and come to it through one neighbour. What is no IP, or has a tag, is
    /// not counted then, and of no source.
    DestinationAddress,
}

/// Which sources' frames go on to the stack; all others end at the program.
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
    /// Tallies every frame that is not for a group; of the source `timed` it also notes how long
    /// stamped datagrams took. What is longer than a frame of this MTU counts as merged. The program
    /// is for this hook only.
    pub fn load(
        by: By,
        timed: Option<u8>,
        keep: Keep,
        mtu: u16,
        hook: Hook,
    ) -> io::Result<(Program, Self)> {
        let keep = match keep {
            Keep::All => ALL,
            Keep::Only(source) => source.into(),
            Keep::None => NONE,
        };
        let globals: [(&str, &[u32]); 4] = [
            ("BY_DESTINATION", &[(by == By::DestinationAddress).into()]),
            ("TIMED", &[timed.map_or(NONE, u32::from)]),
            ("KEEP", &[keep]),
            ("MTU", &[mtu.into()]),
        ];
        let name = if hook == Hook::Tcx { "tally_tcx" } else { "tally_xdp" };
        let mut program = Program::load(name, &globals)?;
        let tally = Self { counts: program.per_cpu("COUNTS")?, delays: program.map("DELAYS")? };
        Ok((program, tally))
    }

    /// What has come from the source so far.
    pub fn from(&self, source: u8) -> io::Result<Count> {
        let [frames, bytes, segments] = self.counts.sums(source.into())?;
        Ok(Count { frames, bytes, segments })
    }

    /// How long the datagrams numbered `numbers` of the timed source took, of those that came.
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
