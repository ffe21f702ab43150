//! What a service manager is told of weir's life, as sd_notify(3) describes: datagrams to the socket that
//! `NOTIFY_SOCKET` names, and nothing where it names none.
//!
//! Invariant: nothing here waits, and a manager that does not listen changes nothing. `WATCHDOG=1` is
//! said only while every worker says that it runs.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;

use tokio::time::{Duration, MissedTickBehavior, interval};
use weir_port::clock_monotonic_ns;

use crate::worker::Pulses;

/// How often it is looked whether the workers run, where the manager has no watchdog.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Notifier {
    socket: Option<UnixDatagram>,
    /// The manager wants to hear of weir at least so often.
    watchdog: Option<Duration>,
}

impl Notifier {
    pub(super) fn of_environment() -> Self {
        let variable = |name| std::env::var_os(name);
        let opened = variable("NOTIFY_SOCKET").map(|name| open(&name)).transpose();
        let socket = opened.unwrap_or_else(|error| {
            tracing::warn!("NOTIFY_SOCKET: {error}");
            None
        });
        let watchdog = watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"));
        Self { socket, watchdog }
    }

    /// So many vifs and uplinks are in service, for the first time or after a change of the configuration.
    pub(super) fn ready(&self, (vifs, uplinks): (usize, usize)) {
        self.tell(&format!("READY=1\nSTATUS=forwarding between {vifs} vifs and {uplinks} uplinks"));
    }

    /// The configuration is read again; `ready` says when that is done.
    pub(super) fn reloading(&self) {
        let now_us = clock_monotonic_ns() / 1000;
        self.tell(&format!(
            "RELOADING=1\nMONOTONIC_USEC={now_us}\nSTATUS=reading the configuration again"
        ));
    }

    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=letting what is under way arrive");
    }

    /// Feeds the manager's watchdog while all workers run, and says so where one does not.
    pub(super) async fn keep_alive(self: Arc<Self>, pulses: Pulses) {
        if self.socket.is_none() {
            return;
        }
        let mut ticks = interval(self.watchdog.map_or(LOOK_EVERY, |watchdog| watchdog / 2));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut still = None;
        loop {
            ticks.tick().await;
            still = self.look(&pulses, clock_monotonic_ns(), still);
        }
    }

    /// One look: the first worker that stands still, told where it was another the last time.
    fn look(&self, pulses: &Pulses, now_ns: u64, before: Option<usize>) -> Option<usize> {
        let still = pulses.still(now_ns);
        if still.is_none() && self.watchdog.is_some() {
            self.tell("WATCHDOG=1");
        }
        match still {
            Some(worker) if still != before => self
                .tell(&format!("STATUS=worker {worker} stands still: its ports' fallback applies")),
            None if before.is_some() => self.tell("STATUS=all workers run again"),
            _ => {}
        }
        still
    }

    fn tell(&self, what: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(what.as_bytes())
        {
            tracing::debug!(what, "the service manager does not hear: {error}");
        }
    }
}

/// A name that begins with `@` is one of the abstract namespace.
fn open(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// How often the manager wants to hear of this process; `None`: not at all.
fn watchdog(usec: Option<OsString>, pid: Option<OsString>) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    let usec = number(usec?).filter(|usec| *usec > 1)?;
    let ours = pid.is_none_or(|pid| number(pid) == Some(std::process::id().into()));
    ours.then_some(Duration::from_micros(usec))
}

#[cfg(test)]
mod tests {
    use weir_abi::MAX_PORTS;
    use weir_abi::gate::out;
    use weir_port::Cells;

    use super::*;
    use crate::worker::{ROOM_WORDS, STRIDE};

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let len = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    }

    fn notifier(name: &OsStr, watchdog: Option<Duration>) -> Arc<Notifier> {
        Arc::new(Notifier { socket: Some(open(name).unwrap()), watchdog })
    }

    #[test]
    fn what_is_told_is_heard_by_path_and_by_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("weir-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        for (socket, name) in [
            (UnixDatagram::bind(&path).unwrap(), path.into_os_string()),
            (UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}").into()),
        ] {
            let notifier = notifier(&name, None);
            notifier.ready((3, 1));
            let told = "READY=1\nSTATUS=forwarding between 3 vifs and 1 uplinks";
            assert_eq!(heard(&socket), told);
            let before = clock_monotonic_ns() / 1000;
            notifier.reloading();
            let told = heard(&socket);
            let time = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            let time: u64 = time.lines().next().unwrap().parse().unwrap();
            assert!((before..=clock_monotonic_ns() / 1000).contains(&time));
            notifier.stopping();
            assert!(heard(&socket).starts_with("STOPPING=1\nSTATUS="));
            drop(socket);
            notifier.stopping();
        }
        assert!(open(OsStr::new("/nowhere/at/all")).is_err());
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        let of = |usec: &str, pid: Option<&str>| watchdog(Some(usec.into()), pid.map(Into::into));
        let second = Some(Duration::from_secs(1));
        assert_eq!(of("1000000", None), second);
        assert_eq!(of("1000000", Some(&std::process::id().to_string())), second);
        for (usec, pid) in [("1000000", Some("1")), ("1000000", Some("")), ("0", None), ("x", None)]
        {
            assert_eq!(of(usec, pid), None, "{usec} {pid:?}");
        }
        assert_eq!(watchdog(None, None), None);
    }

    #[test]
    fn the_watchdog_is_fed_while_all_workers_run() {
        const MS: u64 = 1_000_000;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let words = Cells::heap(ROOM_WORDS);
        let say = |worker: usize, at_ms: u64| {
            let at = (MAX_PORTS as usize + worker) * STRIDE + out::BEAT;
            words.get(at).unwrap().store(at_ms * MS, std::sync::atomic::Ordering::Relaxed);
        };
        let pulses = Pulses::new(words.clone(), 2);
        for watchdog in [Some(Duration::from_secs(2)), None] {
            let notifier = notifier(path.as_os_str(), watchdog);
            let fed = watchdog.map(|_| "WATCHDOG=1");
            let look = |at_ms: u64, before, told: &[Option<&str>]| {
                let still = notifier.look(&pulses, at_ms * MS, before);
                told.iter().flatten().for_each(|told| assert_eq!(heard(&socket), *told));
                assert!(socket.recv(&mut [0; 64]).is_err(), "nothing else");
                still
            };
            (0..2).for_each(|worker| say(worker, 1000));
            assert_eq!(look(1400, None, &[fed]), None);
            say(0, 2000);
            let told = "STATUS=worker 1 stands still: its ports' fallback applies";
            assert_eq!(look(2000, None, &[Some(told)]), Some(1));
            assert_eq!(look(2100, Some(1), &[]), Some(1));
            say(1, 2200);
            let told = [fed, Some("STATUS=all workers run again")];
            assert_eq!(look(2200, Some(1), &told), None);
        }
    }
}
