//! Runs the examples, and checks what they assert.

#[path = "../examples/simulation.rs"]
mod simulation;
#[path = "../examples/superframe.rs"]
mod superframe;
#[path = "../examples/weighted_link.rs"]
mod weighted_link;

#[test]
fn examples_run() {
    weighted_link::main();
    superframe::main().unwrap();
    simulation::main();
}
