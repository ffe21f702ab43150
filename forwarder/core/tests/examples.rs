//! Runs the examples, and checks what they assert.

#[path = "../examples/simulation.rs"]
mod simulation;
#[path = "../examples/weighted_link.rs"]
mod weighted_link;

#[test]
fn examples_run() {
    weighted_link::main();
    simulation::main();
}
