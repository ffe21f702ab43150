use super::*;

#[test]
fn busy_is_what_is_not_idle() {
    let (at, ms) = (Instant::now(), Duration::from_millis);
    let cores = [(770, 200), (90, 0)].map(|(away, soft)| Core { away: ms(away), soft: ms(soft) });
    let to = Cpu { at: at + ms(1000), cores: cores.to_vec(), process: None };
    let from = Cpu { at, cores: vec![Core::default(); 2], process: None };
    let spent = [(230, 200), (910, 0)].map(|(busy, soft)| Spent { busy: ms(busy), soft: ms(soft) });
    assert_eq!(to.since(&from), spent);
}

#[test]
fn work_between_two_ticks_is_seen() {
    let (before, start) = (Cpu::now(None).unwrap(), Instant::now());
    while start.elapsed() < Duration::from_millis(200) {
        std::hint::spin_loop();
    }
    let spent = Cpu::now(None).unwrap().since(&before);
    let busy: Duration = spent.iter().map(|core| core.busy).sum();
    assert!(busy >= Duration::from_millis(100), "{spent:?}");
}
