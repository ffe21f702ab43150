//! The VMs' promises, and the resulting rates. Invariant: computed without weir's own scheduler, and
//! the same for every peer.

use system_tests::fair::{self, Sender};

use crate::spec::Scene;

impl Scene {
    /// The weights of all VMs: `first` for the first ones, the others' own.
    pub(super) fn all_weights(&self, first: &[u32]) -> Vec<u32> {
        let own = |number| self.promise(number).map_or(1, |vm| vm.weight);
        let others = (1..=self.vms).skip(first.len()).map(own);
        first.iter().copied().chain(others).collect()
    }

    fn promise(&self, number: u8) -> Option<&crate::spec::Vm> {
        self.vm.iter().find(|vm| vm.number == number)
    }

    /// All promises in Mb/s, of VMs with these weights.
    pub(super) fn senders(&self, weights: &[u32]) -> Vec<Sender> {
        let sender = |(number, weight): (u8, &u32)| {
            let (min, max) = self.promise(number).map_or((None, None), |vm| (vm.min, vm.max));
            let (min, max) = (min.unwrap_or(0.0), max.unwrap_or(f64::INFINITY));
            Sender { min, max, ..Sender::greedy(f64::from(*weight)) }
        };
        (1..=self.vms).zip(weights).map(sender).collect()
    }

    /// The rate in Mb/s of frames that each VM may expect when it sends all it can or, if given, its
    /// demand in Mb/s, with these weights (followed by those of the scene): by promises and the link's
    /// rate. `None` if the link has no rate, unless every VM has a maximum.
    pub(crate) fn owed(&self, weights: &[u32], demand: &[Option<f64>]) -> Option<Vec<f64>> {
        let mut senders = self.senders(&self.all_weights(weights));
        for (sender, demand) in senders.iter_mut().zip(demand) {
            sender.demand = demand.unwrap_or(f64::INFINITY);
        }
        match self.link {
            Some(link) => Some(fair::rates(link, &senders)),
            None if senders.iter().all(|sender| sender.max.is_finite()) => {
                Some(senders.iter().map(|sender| sender.max.min(sender.demand)).collect())
            }
            None => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
