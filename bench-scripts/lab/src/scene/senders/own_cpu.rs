//! The CPU time of a thread in each window, read by itself as it goes along.
//!
//! Invariant: a look between windows' ends costs a comparison; the clock of the thread is read at
//! the first look after an end.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::flows::Times;

/// Of the thread that makes and asks it.
#[derive(Debug)]
pub(super) struct OwnCpu {
    windows: Vec<Part>,
    /// Before this nothing has to be read.
    next: Option<Instant>,
}

#[derive(Debug)]
struct Part {
    from: Instant,
    to: Instant,
    began: Option<Duration>,
    spent: Option<Duration>,
}

impl OwnCpu {
    pub(super) fn new(times: &Times) -> Self {
        let part = |span: &crate::scene::timeline::Span| Part {
            from: times.at(span.from),
            to: times.at(span.to),
            began: None,
            spent: None,
        };
        let mut own = Self { windows: times.windows.iter().map(part).collect(), next: None };
        own.next = own.next_end();
        own
    }

    fn next_end(&self) -> Option<Instant> {
        let next = |part: &Part| match (part.began, part.spent) {
            (None, _) => Some(part.from),
            (Some(_), None) => Some(part.to),
            (Some(_), Some(_)) => None,
        };
        self.windows.iter().filter_map(next).min()
    }

    pub(super) fn look(&mut self, now: Instant) {
        if self.next.is_none_or(|next| now < next) {
            return;
        }
        let cpu = thread_time();
        for part in &mut self.windows {
            if part.began.is_none() && now >= part.from {
                part.began = Some(cpu);
            }
            if let (Some(began), None) = (part.began, part.spent)
                && now >= part.to
            {
                part.spent = Some(cpu.saturating_sub(began));
            }
        }
        self.next = self.next_end();
    }

    /// By window; of one that the thread did not live to see the end of, what it had taken by now.
    pub(super) fn finish(self) -> Vec<Duration> {
        let now = thread_time();
        let spent = |part: Part| {
            let so_far = part.began.map(|began| now.saturating_sub(began));
            part.spent.or(so_far).unwrap_or_default()
        };
        self.windows.into_iter().map(spent).collect()
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests;
