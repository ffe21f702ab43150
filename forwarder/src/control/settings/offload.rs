//! Offload features of one interface, here or at a veth's other end.
//! Invariant: a feature is switched only when it is known and not yet as wanted; what the kernel
//! does not grant is not left asked for.

use std::io;

use weir_port::ethtool;

use super::{Applied, SettingsError, Warning};
use crate::control::netns::NetnsId;
use crate::control::state::{Before, Change, StateFile};

/// An interface of this thread's namespace.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) netns: NetnsId,
    pub(super) ifindex: u32,
    pub(super) name: String,
    pub(super) port: u32,
    /// What the operator types to get into the namespace.
    pub(super) prefix: String,
}

impl Target {
    /// Switches features, each recorded before.
    pub(super) fn switch(
        &self,
        wanted: &[(&str, bool)],
        state: &mut StateFile,
        applied: &mut Applied,
    ) -> Result<(), SettingsError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let known = match ethtool::features(&self.name) {
            Ok(known) => known,
            Err(error) => {
                // Drivers without the question have nothing to answer it with either.
                tracing::debug!(name = %self.name, %error, "offload features cannot be read");
                return Ok(());
            }
        };
        for (feature, on) in wanted {
            let Some((_, was_on)) = known.iter().find(|(name, _)| name == feature) else {
                continue;
            };
            if was_on == on {
                continue;
            }
            let change = Change {
                netns: self.netns,
                ifindex: self.ifindex,
                name: self.name.clone(),
                port: self.port,
                before: Before::Feature { feature: (*feature).to_owned(), on: *was_on },
            };
            state.record(change.clone())?;
            match self.set(feature, *on) {
                Ok(()) => applied.changed.push(format!(
                    "{}: {feature} {} instead of {}",
                    self.name,
                    word(*on),
                    word(*was_on)
                )),
                Err(error) => {
                    // The wish was noted even where it was not granted.
                    let undone = ethtool::set_feature(&self.name, feature, *was_on);
                    if undone.is_ok() {
                        state.forget(|recorded| *recorded == change)?;
                    }
                    self.warn(feature, *on, &error, applied);
                }
            }
        }
        Ok(())
    }

    fn set(&self, feature: &str, on: bool) -> io::Result<()> {
        ethtool::set_feature(&self.name, feature, on)?;
        // The kernel may accept the wish and not grant it.
        match is_on(&self.name, feature)? {
            Some(now) if now == on => Ok(()),
            _ => Err(io::Error::other("the kernel did not grant it")),
        }
    }

    fn warn(&self, feature: &str, on: bool, reason: &io::Error, applied: &mut Applied) {
        let space = if self.prefix.is_empty() { "" } else { " " };
        applied.warnings.push(Warning {
            text: format!("{feature} of {} cannot be set {}: {reason}", self.name, word(on)),
            fix: format!("{}{space}ethtool -K {} {feature} {}", self.prefix, self.name, word(on)),
        });
    }
}

/// Whether a feature is on; `None`: the interface does not know it.
pub(crate) fn is_on(name: &str, feature: &str) -> io::Result<Option<bool>> {
    let known = ethtool::features(name)?;
    Ok(known.into_iter().find(|(name, _)| name == feature).map(|(_, on)| on))
}

fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
