use super::*;

#[test]
fn busy_is_what_is_not_idle() {
    let (at, ms) = (Instant::now(), Duration::from_millis);
    let cores = [(770, 200), (90, 0)].map(|(away, soft)| Core { away: ms(away), soft: ms(soft) });
    let to = Reading { at: at + ms(1000), cores: cores.to_vec(), process: Some(ms(70)) };
    let from = Reading { at, cores: vec![Core::default(); 2], process: Some(ms(20)) };
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    let Spent { seconds, total, worker, process, programs } = spent(&from, &to);
    assert!(near(seconds, 1.0) && near(total, 0.23 + 0.91) && near(worker, 0.91));
    assert!(near(programs, 0.03) && near(process.unwrap(), 0.05));
    let none = Reading { cores: Vec::new(), ..from };
    assert!(near(spent(&none, &to).worker, 0.0));
}

#[test]
fn work_between_two_ticks_is_seen() {
    let (before, start) = (Reading::now(None).unwrap(), Instant::now());
    while start.elapsed() < Duration::from_millis(200) {
        std::hint::spin_loop();
    }
    assert!(spent(&before, &Reading::now(None).unwrap()).total >= 0.1);
}
