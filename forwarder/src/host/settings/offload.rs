//! Offload features of one interface, here or at a veth's other end. Invariant: a feature is switched
//! only if it is known and differs from the wanted state. If the kernel does not grant a request, the
//! request is withdrawn.

use std::io;

use weir_port::ethtool;

use super::SettingsError;
use crate::host::netns::NetnsId;
use crate::host::state::{Before, Change, StateFile};

/// An interface of this thread's namespace.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) netns: NetnsId,
    pub(super) ifindex: u32,
    pub(super) name: String,
    pub(super) port: u32,
    /// The command prefix that enters the namespace.
    pub(super) prefix: String,
}

impl Target {
    /// Switches features off, recording each first. Returns those that failed, with advice.
    pub(super) fn switch_off(
        &self,
        features: &[&str],
        state: &mut StateFile,
    ) -> Result<Vec<String>, SettingsError> {
        let mut refused = Vec::new();
        let known = match ethtool::features(&self.name) {
            Ok(known) => known,
            Err(error) => {
                // Drivers that do not support the request have no features to answer with.
                tracing::debug!(name = %self.name, %error, "offload features cannot be read");
                return Ok(refused);
            }
        };
        let is_on = |feature: &&&str| known.iter().any(|(name, on)| name == **feature && *on);
        for feature in features.iter().filter(is_on) {
            let change = Change {
                netns: self.netns,
                ifindex: self.ifindex,
                name: self.name.clone(),
                port: self.port,
                before: Before::Feature { feature: (*feature).to_owned(), on: true },
            };
            state.record(change.clone())?;
            match self.set_off(feature) {
                Ok(()) => tracing::debug!("{}: {feature} off instead of on", self.name),
                Err(error) => {
                    // The kernel notes the request even if it does not grant it.
                    if ethtool::set_feature(&self.name, feature, true).is_ok() {
                        state.forget(|recorded| *recorded == change)?;
                    }
                    refused.push(self.refusal(feature, &error));
                }
            }
        }
        Ok(refused)
    }

    fn set_off(&self, feature: &str) -> io::Result<()> {
        ethtool::set_feature(&self.name, feature, false)?;
        // The kernel may accept the request and not grant it.
        let now = ethtool::features(&self.name)?;
        if now.iter().any(|(name, on)| name == feature && !on) {
            return Ok(());
        }
        Err(io::Error::other("the kernel did not grant it"))
    }

    fn refusal(&self, feature: &str, reason: &io::Error) -> String {
        let space = if self.prefix.is_empty() { "" } else { " " };
        format!(
            "{feature} of {name} cannot be set off: {reason}; {prefix}{space}ethtool -K {name} \
             {feature} off",
            name = self.name,
            prefix = self.prefix
        )
    }
}
