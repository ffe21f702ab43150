//! Requests to the kernel about XDP, and runs of a program on crafted frames. Invariant: nothing here changes
//! the system; live frames go only where the program sends them.
//!
//! - [`query`]: which program is attached to a device, and the device's capabilities
//! - [`run`]: runs of a loaded program, on one frame or on live frames
//! - [`btf`]: the offsets at which the running kernel keeps what the gate reads of a packet

pub mod btf;
pub mod query;
pub mod run;

pub use btf::KernelFacts;
pub use query::{XdpFeatures, xdp_query};
pub use run::{
    MAX_TEST_FRAME, TestCtx, TestRun, live_frames, slot_socket, test_run, test_run_behind,
    test_run_skb,
};
