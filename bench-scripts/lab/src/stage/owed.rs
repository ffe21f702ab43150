//! What the VMs are promised, and what that comes to. Invariant: found without weir's own
//! scheduler, and the same for every peer.

use anyhow::{Result, ensure};
use system_tests::fair::{self, Sender};

use crate::spec::Scene;

impl Scene {
    /// The weights of all VMs: the first ones' from here, the others' own.
    pub(super) fn all_weights(&self, first: &[u32]) -> Result<Vec<u32>> {
        let given = first.len();
        ensure!(given <= usize::from(self.vms), "{given} weights for {} VMs", self.vms);
        ensure!(!first.contains(&0), "a weight is 0; valid: 1 and more");
        let own = |number| self.promise(number).map_or(1, |vm| vm.weight);
        let others = (1..=self.vms).skip(given).map(own);
        Ok(first.iter().copied().chain(others).collect())
    }

    /// VM `number`'s promise in Mb/s, with this weight.
    pub(super) fn sender(&self, number: u8, weight: u32) -> Sender {
        let (min, max) = self.promise(number).map_or((None, None), |vm| (vm.min, vm.max));
        Sender::greedy(f64::from(weight)).min(min.unwrap_or(0.0)).max(max.unwrap_or(f64::INFINITY))
    }

    fn promise(&self, number: u8) -> Option<&crate::spec::Vm> {
        self.vm.iter().find(|vm| vm.number == number)
    }

    /// All promises in Mb/s, of VMs with these weights.
    pub(super) fn senders(&self, weights: &[u32]) -> Vec<Sender> {
        (1..=self.vms).zip(weights).map(|(number, weight)| self.sender(number, *weight)).collect()
    }
}

pub(super) fn owed(scene: &Scene, weights: &[u32], demand: &[Option<f64>]) -> Option<Vec<f64>> {
    let weights = scene.all_weights(weights).ok()?;
    let demands = demand.iter().copied().chain(std::iter::repeat(None));
    let senders: Vec<Sender> = scene
        .senders(&weights)
        .into_iter()
        .zip(demands)
        .map(|(sender, demand)| sender.demand(demand.unwrap_or(f64::INFINITY)))
        .collect();
    match scene.link {
        Some(link) => Some(fair::rates(link, &senders)),
        None if senders.iter().all(|sender| sender.max.is_finite()) => {
            Some(senders.iter().map(|sender| sender.max.min(sender.demand)).collect())
        }
        None => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A scene of which only this matters.
    pub(in super::super) fn scene(text: &str) -> Scene {
        toml::from_str(&format!("{text}\nwindow = [{{ name = 'all', from = 0, to = 1 }}]")).unwrap()
    }

    fn near(owed: Option<Vec<f64>>, wanted: &[f64]) {
        let owed = owed.unwrap();
        let off = owed.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(owed.len() == wanted.len() && off < 1e-6, "{owed:?} is not {wanted:?}");
    }

    #[test]
    fn promises_weights_and_demands_share_a_link() {
        let scene = scene(
            "vms = 3\nlink = 100\nvm = [{ number = 1, min = 50 }, { number = 3, weight = 4 }]",
        );
        near(owed(&scene, &[], &[]), &[50.0, 10.0, 40.0]);
        near(owed(&scene, &[1, 1, 1], &[]), &[50.0, 25.0, 25.0]);
        near(owed(&scene, &[1, 3], &[Some(8.0)]), &[8.0, 276.0 / 7.0, 368.0 / 7.0]);
        near(owed(&scene, &[], &[None, Some(0.0), None]), &[50.0, 0.0, 50.0]);
        assert!(owed(&scene, &[1, 1, 1, 1], &[]).is_none());
    }

    #[test]
    fn without_a_link_maxima_are_owed_if_everybody_has_one() {
        let capped = scene("vms = 2\nvm = [{ number = 1, max = 30 }, { number = 2, max = 40 }]");
        near(owed(&capped, &[], &[]), &[30.0, 40.0]);
        near(owed(&capped, &[5], &[None, Some(7.5)]), &[30.0, 7.5]);
        assert!(owed(&scene("vms = 2\nvm = [{ number = 1, max = 30 }]"), &[], &[]).is_none());
        assert!(owed(&scene("vms = 2"), &[], &[]).is_none());
    }

    #[test]
    fn weights_that_end_early_are_followed_by_the_scenes() {
        let scene = scene("vms = 3\nvm = [{ number = 3, weight = 7 }]");
        assert_eq!(scene.all_weights(&[]).unwrap(), [1, 1, 7]);
        assert_eq!(scene.all_weights(&[5]).unwrap(), [5, 1, 7]);
        assert!(scene.all_weights(&[1, 1, 1, 1]).is_err());
        assert!(scene.all_weights(&[0]).is_err());
    }

    proptest! {
        /// Nothing is owed twice, nobody more than they ask for, and the link is full if asked to.
        #[test]
        fn what_is_owed_fills_the_link_and_no_more(
            weights in prop::collection::vec(1_u32..100, 1..8),
            demands in prop::collection::vec(prop::option::of(0.0_f64..200.0), 8),
        ) {
            let scene = scene(&format!("vms = {}\nlink = 100", weights.len()));
            let owed = owed(&scene, &weights, &demands).unwrap();
            let asked: f64 = owed.iter().zip(&demands).map(|(_, d)| d.unwrap_or(100.0)).sum();
            let sum: f64 = owed.iter().sum();
            prop_assert!((sum - asked.min(100.0)).abs() < 1e-3, "{owed:?} of {demands:?}");
            for (owed, demand) in owed.iter().zip(&demands) {
                prop_assert!(*owed <= demand.unwrap_or(100.0) + 1e-6);
            }
        }
    }
}
