use super::*;
use crate::wait_for;

#[test]
fn a_threads_time_outlives_it() {
    let mut thread = StartedThread::new(&Halt::default(), |halt| {
        while !halt.is_said() {
            std::hint::spin_loop();
        }
        Ok(())
    });
    wait_for(Duration::from_secs(30), "its time", || thread.cpu() > Duration::ZERO).unwrap();
    let running = thread.cpu();
    thread.ask();
    thread.join().unwrap();
    assert!(thread.cpu() >= running);
}
