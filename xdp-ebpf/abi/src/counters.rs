//! What the program counts: one outcome per frame and port, per CPU.
//! Invariant: every frame of a configured port increments exactly one [`Counter`], so the sum
//! over all of them is what entered the port.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! counters {
    ($($variant:ident $name:literal $text:literal)+) => {
        /// What became of a frame in the program.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Counter {
            $(#[doc = $text] $variant,)+
        }

        impl Counter {
            const ALL: &'static [Counter] = &[$(Counter::$variant,)+];
            pub const COUNT: usize = Self::ALL.len();

            /// As it stands in statistics.
            pub const fn name(self) -> &'static str {
                match self { $(Counter::$variant => $name,)+ }
            }

            /// One sentence: what it means, and what to do about it.
            pub const fn describe(self) -> &'static str {
                match self { $(Counter::$variant => $text,)+ }
            }
        }
    };
}

counters! {
    Steered "steered" "Sent to the worker that serves the port."
    PassedHost "passed_host" "For the host itself: left to the kernel."
    PassedFallback "passed_fallback" "No worker there, or one that stands still: left to the kernel, which is the fail-open; normal while weir starts or stops."
    DroppedFallback "fallback_drop" "No worker there, one that stands still, or a table of long ago, and the port's fallback is drop: start weir, look at what keeps its worker from running, or set the fallback to pass."
    Malformed "malformed" "A header was cut off or impossible; capture at the sender to see what makes such frames."
    Spoofed "spoofed" "The source address is not one of the port's mac-lock or ip-lock."
    Shed "shed" "Dropped at the sender's core because the port's queue for that destination was over its bound."
    NoMeta "no_meta" "The driver leaves no room for metadata in front of a frame: use mode = \"gate\" for the port."
    PassedGroup "passed_group" "For a group: left to the bridge, which floods it to the ports that want it."
    PassedUnknown "passed_unknown" "From or for an address that the bridge has yet to learn: left to the bridge."
    PassedBridge "passed_bridge" "Left to the bridge, because a setting of the bridge or a kind of frame takes its own handling; `weir port list` says which setting."
    Reserved "reserved" "For a reserved group (01:80:c2:00:00:0x: spanning tree, LLDP, pause), which guests may not send to."
    Storm "storm" "Beyond the port's limit of group frames and of frames for unknown addresses."
    Express "express" "Handed to the port it is for by the gate itself: nothing there is scheduled."
    RxShare "rx_share" "The source had its share of the worker's receive ring waiting: the worker is overloaded; give it a core of its own, or more workers."
}

impl Counter {
    pub fn all() -> impl ExactSizeIterator<Item = Counter> + Clone {
        Self::ALL.iter().copied()
    }
}

/// One CPU's counters of one port. User space reads them with [`PortCounters::from_words`].
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct PortCounters {
    pub frames: [u64; Counter::COUNT],
    pub bytes: [u64; Counter::COUNT],
    /// Partial checksums that the program completed. This field and those below are no outcomes.
    pub partial_completed: u64,
    /// Partial checksums that were left to user space or the egress device.
    pub partial_left: u64,
    /// Steered superframes.
    pub superframes: u64,
    /// Steered frames that were lost behind the gate: no room for tag or metadata.
    pub behind_no_meta: u64,
    /// Steered frames that were lost behind the gate: the worker's socket was gone.
    pub behind_no_socket: u64,
}

const _: () = assert!(size_of::<PortCounters>() == 8 * PortCounters::WORDS);

impl PortCounters {
    /// 64-bit words in a value of the map, for readers without `unsafe`.
    pub const WORDS: usize = 2 * Counter::COUNT + 5;

    pub fn from_words(words: [u64; Self::WORDS]) -> Self {
        zerocopy::transmute!(words)
    }

    pub fn frames(&self, counter: Counter) -> u64 {
        self.frames.get(counter as usize).copied().unwrap_or(0)
    }

    pub fn bytes(&self, counter: Counter) -> u64 {
        self.bytes.get(counter as usize).copied().unwrap_or(0)
    }

    /// All frames that entered the port.
    pub fn received(&self) -> u64 {
        self.frames.iter().fold(0, |sum, n| sum.wrapping_add(*n))
    }

    /// Adds another CPU's counters.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.frames.iter_mut().zip(other.frames) {
            *mine = mine.wrapping_add(theirs);
        }
        for (mine, theirs) in self.bytes.iter_mut().zip(other.bytes) {
            *mine = mine.wrapping_add(theirs);
        }
        self.partial_completed = self.partial_completed.wrapping_add(other.partial_completed);
        self.partial_left = self.partial_left.wrapping_add(other.partial_left);
        self.superframes = self.superframes.wrapping_add(other.superframes);
        self.behind_no_meta = self.behind_no_meta.wrapping_add(other.behind_no_meta);
        self.behind_no_socket = self.behind_no_socket.wrapping_add(other.behind_no_socket);
    }
}
