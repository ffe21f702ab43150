//! Notifies a service manager of weir's state, as sd_notify(3) describes: datagrams to the socket that
//! `NOTIFY_SOCKET` names; nothing without it.
//!
//! Invariant: nothing here waits, and a manager that does not listen changes nothing. `WATCHDOG=1` is
//! sent only while every worker's heartbeat is fresh.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;

use tokio::time::{Duration, MissedTickBehavior, interval};
use weir_port::clock_monotonic_ns;

use crate::worker::Pulses;

/// How often the workers are checked if the manager has no watchdog.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Notifier {
    socket: Option<UnixDatagram>,
    /// The longest time between two messages that the manager accepts.
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

    /// Reports the vifs and uplinks in service, for the first time or after a change of the
    /// configuration.
    pub(super) fn ready(&self, (vifs, uplinks): (usize, usize)) {
        self.send(&format!("READY=1\nSTATUS=forwarding between {vifs} vifs and {uplinks} uplinks"));
    }

    /// The configuration is being read again; `ready` follows when that is done.
    pub(super) fn reloading(&self) {
        let now_us = clock_monotonic_ns() / 1000;
        self.send(&format!(
            "RELOADING=1\nMONOTONIC_USEC={now_us}\nSTATUS=reading the configuration again"
        ));
    }

    pub(super) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=letting what is under way arrive");
    }

    /// Feeds the manager's watchdog while all workers run, and reports a worker that does not.
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

    /// One check: returns the first worker that stands still, and reports it if it differs from the
    /// last one.
    fn look(&self, pulses: &Pulses, now_ns: u64, before: Option<usize>) -> Option<usize> {
        let still = pulses.still(now_ns);
        if still.is_none() && self.watchdog.is_some() {
            self.send("WATCHDOG=1");
        }
        match still {
            Some(worker) if still != before => self
                .send(&format!("STATUS=worker {worker} stands still: its ports' fallback applies")),
            None if before.is_some() => self.send("STATUS=all workers run again"),
            _ => {}
        }
        still
    }

    fn send(&self, what: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(what.as_bytes())
        {
            tracing::debug!(what, "the service manager does not hear: {error}");
        }
    }
}

/// A name that begins with `@` is in the abstract namespace.
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

/// The longest time between two messages that the manager accepts; `None`: it has no watchdog.
fn watchdog(usec: Option<OsString>, pid: Option<OsString>) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    let usec = number(usec?).filter(|usec| *usec > 1)?;
    let ours = pid.is_none_or(|pid| number(pid) == Some(std::process::id().into()));
    ours.then_some(Duration::from_micros(usec))
}

#[cfg(test)]
mod tests;
