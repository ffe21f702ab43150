//! The protocol rule by rule, so that a test can break one; and how far the model looks.

/// See [`REAL`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Rounds of fences before frames count as cleared.
    pub(crate) rounds: u8,
    /// What counts as cleared then was read before the first of them.
    pub(crate) reads_before_rounds: bool,
    /// The gate reads what is done before what was steered.
    pub(crate) reads_done_first: bool,
    /// The worker adds a frame to what is done when it has been sent.
    pub(crate) tells_after_sending: bool,
    /// The worker holds frames that are marked.
    pub(crate) holds_marked: bool,
    /// And, behind them, all that their source sends.
    pub(crate) holds_followers: bool,
    /// Frames count as lost only when none is on its way to the ring.
    pub(crate) forgives_when_quiet: bool,
    /// Whoever gives the gate what was the bridge's, and not counted, holds the source before.
    pub(crate) holds_before_change: bool,
    /// And nothing is cleared from before that until the change is stored.
    pub(crate) clears_around_change: bool,

    /// Frames of the flow from the oldest under way to the newest.
    pub(crate) window: u8,
    /// The source sends frames to another destination as well, one at a time.
    pub(crate) has_another_flow: bool,
    /// The destination comes to the gate, and leaves it again.
    pub(crate) changes: bool,
    /// The CPU in whose backlog the receiver wants its frames (RPS); `None`: they stand in that of the CPU
    /// that has passed them to the bridge.
    pub(crate) receiver_spreads_to: Option<usize>,

    /// The gate passes frames to the bridge also while others of the flow are at the worker.
    pub(crate) bridges_any_time: bool,
    /// What the worker has sent stands in a backlog, if the receiver spreads.
    pub(crate) sends_by_backlog: bool,
    /// What the gate hands over stands in a backlog.
    pub(crate) express_by_backlog: bool,
}

/// The rules as they are, where the model says that they keep the order.
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
