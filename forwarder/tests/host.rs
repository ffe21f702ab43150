//! What weir does to the host's interfaces, on real ones in namespaces of its own: settings and
//! their restoration, guests' namespaces, events, attaching, doctor. Needs root; without it each
//! test says on stderr that it was skipped.

#[cfg(test)] // which is how clippy knows that these may unwrap
mod host {
    pub(crate) mod bed;

    mod attach;
    mod bridge;
    mod doctor;
    mod links;
    mod pair;
    mod paths;
    mod settings;
    mod umem;
}
