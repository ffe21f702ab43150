//! The rules of the protocol, a field each, so that a test can break one; and the bounds of the model.

/// See [`REAL`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Rounds of fences before frames count as cleared.
    pub(crate) rounds: u8,
    /// The clearing thread reads before the first round what counts as cleared after the last.
    pub(crate) reads_before_rounds: bool,
    /// The gate reads DONE before STEERED.
    pub(crate) reads_done_first: bool,
    /// The worker adds a frame to DONE after it has sent it, not before.
    pub(crate) tells_after_sending: bool,
    /// The worker holds frames that are marked.
    pub(crate) holds_marked: bool,
    /// The worker also holds what their source sends after them.
    pub(crate) holds_followers: bool,
    /// Frames count as lost only when none is on its way to the ring.
    pub(crate) forgives_when_quiet: bool,
    /// The control side raises BRIDGED before it gives the gate frames that went by the bridge uncounted.
    pub(crate) holds_before_change: bool,
    /// The clearing thread begins no round between that and the storing of the change.
    pub(crate) clears_around_change: bool,

    /// Frames of the flow from the oldest under way to the newest.
    pub(crate) window: u8,
    /// The source sends frames to another destination as well, one at a time.
    pub(crate) has_another_flow: bool,
    /// The control side takes the destination from the gate, and gives it back.
    pub(crate) changes: bool,
    /// The CPU in whose backlog the receiver wants its frames (RPS); `None`: they stand in that of the CPU
    /// that has passed them to the bridge.
    pub(crate) receiver_spreads_to: Option<usize>,

    /// The gate passes frames to the bridge also while others of the flow are at the worker.
    pub(crate) bridges_any_time: bool,
    /// A frame that the worker has sent waits in a backlog, if the receiver spreads.
    pub(crate) sends_by_backlog: bool,
    /// A frame that the gate hands over waits in a backlog.
    pub(crate) express_by_backlog: bool,
}

/// The rules of weir, without the cases in which they do not keep the order.
pub(crate) const REAL: Rules = Rules {
    rounds: 2,
    reads_before_rounds: true,
    reads_done_first: true,
    tells_after_sending: true,
    holds_marked: true,
    holds_followers: true,
    forgives_when_quiet: true,
    holds_before_change: true,
    clears_around_change: true,
    window: 3,
    has_another_flow: false,
    changes: false,
    receiver_spreads_to: None,
    bridges_any_time: false,
    sends_by_backlog: false,
    express_by_backlog: false,
};
