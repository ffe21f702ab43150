//! Maps the program's outcomes to the ledger's reasons.

use weir_abi::Counter;
use weir_core::Reason;

/// The reason for a frame that the program dropped; `None` if it did not drop the frame.
pub fn reason_of(counter: Counter) -> Option<Reason> {
    match counter {
        Counter::Steered
        | Counter::Express
        | Counter::PassedHost
        | Counter::PassedFallback
        | Counter::PassedGroup
        | Counter::PassedUnknown
        | Counter::PassedBridge => None,
        Counter::DroppedFallback => Some(Reason::FallbackDrop),
        Counter::Malformed => Some(Reason::Malformed),
        Counter::Spoofed => Some(Reason::Spoofed),
        Counter::Shed => Some(Reason::Shed),
        Counter::NoMeta => Some(Reason::NoMeta),
        Counter::Reserved => Some(Reason::Reserved),
        Counter::Storm => Some(Reason::Storm),
        Counter::RxShare => Some(Reason::RxShare),
    }
}
