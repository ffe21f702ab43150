//! Who is behind which port, for the program and for the workers that did not hear it themselves.
//!
//! What a worker says of its own ports holds; of other workers' ports it only repeats what it was
//! told. So news of own ports is kept, and relayed to the other workers, and news of others' ports
//! is an echo: only where it contradicts what is known is the worker told again.
//!
//! News is merged by address as it comes, and carried out at a limited pace. A flood of new
//! addresses is therefore never a queue of messages: each address stands in line once, and what
//! happened to it meanwhile is one write, or none if it is forgotten again.
//!
//! Invariant: an address whose latest news differs from what the program's table holds stands in
//! line. Sizes are bounded by the workers' own tables.

use std::collections::{HashMap, HashSet, VecDeque};

use weir_core::{FdbChange, Mac, PortId};

use crate::worker::FdbNews;

/// A station, as switches tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) mac: Mac,
    pub(super) vlan: u16,
}

/// What is to be done about one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) address: Address,
    /// Where it is; `None`: nobody knows any more.
    pub(super) port: Option<PortId>,
    /// The program's table has something else.
    pub(super) write: bool,
}

#[derive(Debug, Default)]
pub(super) struct Addresses {
    known: HashMap<Address, PortId>,
    written: HashMap<Address, PortId>,
    line: VecDeque<Address>,
    in_line: HashSet<Address>,
}

impl Addresses {
    /// Takes in what a worker says. `home` tells which worker serves a port.
    pub(super) fn hear(&mut self, news: &FdbNews, home: impl Fn(PortId) -> Option<usize>) {
        let owns = |port: PortId| home(port) == Some(news.worker);
        if news.whole {
            self.compare(news, owns);
        }
        for change in &news.changes {
            match *change {
                FdbChange::Known { mac, vlan, port } => {
                    let address = Address { mac, vlan };
                    if owns(port) {
                        self.known.insert(address, port);
                        self.stand_in_line(address);
                    } else if self.known.get(&address).is_some_and(|&known| known != port) {
                        self.stand_in_line(address);
                    }
                }
                FdbChange::Forgotten { mac, vlan } => self.missed(Address { mac, vlan }, owns),
            }
        }
    }

    /// A worker does not have the address. Its own: nobody has. Another's: it is told again.
    fn missed(&mut self, address: Address, owns: impl Fn(PortId) -> bool) {
        if self.known.get(&address).is_some_and(|&port| owns(port)) {
            self.known.remove(&address);
        }
        self.stand_in_line(address);
    }

    /// What the worker's whole table lacks, it has forgotten.
    fn compare(&mut self, news: &FdbNews, owns: impl Fn(PortId) -> bool) {
        let listed: HashSet<Address> = news.changes.iter().filter_map(known_in).collect();
        let lacks: Vec<Address> =
            self.known.keys().filter(|address| !listed.contains(address)).copied().collect();
        for address in lacks {
            self.missed(address, &owns);
        }
    }

    /// A port is gone: nobody is behind it, and the program's table has been cleared of it.
    pub(super) fn forget_port(&mut self, gone: PortId) {
        self.known.retain(|_, port| *port != gone);
        self.written.retain(|_, port| *port != gone);
    }

    fn stand_in_line(&mut self, address: Address) {
        if self.in_line.insert(address) {
            self.line.push_back(address);
        }
    }

    /// Whether anything is left to do.
    pub(super) fn is_settled(&self) -> bool {
        self.line.is_empty()
    }

    /// What to do next.
    pub(super) fn next(&mut self) -> Option<Step> {
        let address = self.line.pop_front()?;
        self.in_line.remove(&address);
        let port = self.known.get(&address).copied();
        let write = port != self.written.get(&address).copied();
        Some(Step { address, port, write })
    }

    /// The program's table has it now. What could not be written is tried again with its next news.
    pub(super) fn wrote(&mut self, step: &Step) {
        match step.port {
            Some(port) => self.written.insert(step.address, port),
            None => self.written.remove(&step.address),
        };
    }
}

fn known_in(change: &FdbChange) -> Option<Address> {
    match *change {
        FdbChange::Known { mac, vlan, .. } => Some(Address { mac, vlan }),
        FdbChange::Forgotten { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Even ports belong to worker 0, odd ones to worker 1; from 100 on there are none.
    fn home(port: PortId) -> Option<usize> {
        (port.0 < 100).then_some(usize::from(port.0 % 2))
    }

    fn at(n: u8) -> Address {
        Address { mac: Mac::new([2, 0, 0, 0, 0, n]), vlan: 0 }
    }

    fn known(n: u8, port: u16) -> FdbChange {
        FdbChange::Known { mac: at(n).mac, vlan: 0, port: PortId(port) }
    }

    fn forgotten(n: u8) -> FdbChange {
        FdbChange::Forgotten { mac: at(n).mac, vlan: 0 }
    }

    fn hear(addresses: &mut Addresses, worker: usize, changes: &[FdbChange]) {
        addresses.hear(&FdbNews { worker, changes: changes.to_vec(), whole: false }, home);
    }

    /// Does everything, and says what was told to the workers and written for the program.
    fn settle(addresses: &mut Addresses) -> Vec<(u8, Option<u16>, bool)> {
        let mut done = Vec::new();
        while let Some(step) = addresses.next() {
            if step.write {
                addresses.wrote(&step);
            }
            let [.., n] = step.address.mac.octets();
            done.push((n, step.port.map(|port| port.0), step.write));
        }
        assert!(addresses.is_settled());
        done
    }

    #[test]
    fn what_a_worker_hears_is_written_once_and_told_again_when_refreshed() {
        let mut addresses = Addresses::default();
        hear(&mut addresses, 0, &[known(1, 2), known(2, 4)]);
        assert_eq!(settle(&mut addresses), [(1, Some(2), true), (2, Some(4), true)]);
        hear(&mut addresses, 0, &[known(1, 2)]);
        assert_eq!(settle(&mut addresses), [(1, Some(2), false)]);
        hear(&mut addresses, 0, &[forgotten(1)]);
        assert_eq!(settle(&mut addresses), [(1, None, true)]);
    }

    #[test]
    fn an_echo_ends_and_a_contradiction_is_set_right() {
        let mut addresses = Addresses::default();
        hear(&mut addresses, 0, &[known(1, 2)]);
        settle(&mut addresses);
        hear(&mut addresses, 1, &[known(1, 2)]);
        assert_eq!(settle(&mut addresses), []);
        // The station moves to the other worker, which is then told of its old place, too late.
        hear(&mut addresses, 1, &[known(1, 3)]);
        hear(&mut addresses, 1, &[known(1, 2)]);
        assert_eq!(settle(&mut addresses), [(1, Some(3), true)]);
        hear(&mut addresses, 1, &[known(1, 2)]);
        assert_eq!(settle(&mut addresses), [(1, Some(3), false)]);
    }

    #[test]
    fn only_its_own_worker_can_make_an_address_forgotten() {
        let mut addresses = Addresses::default();
        hear(&mut addresses, 0, &[known(1, 2)]);
        settle(&mut addresses);
        hear(&mut addresses, 1, &[forgotten(1)]);
        assert_eq!(settle(&mut addresses), [(1, Some(2), false)]);
    }

    #[test]
    fn a_flood_that_comes_and_goes_costs_one_place_in_line_each_and_no_write() {
        let mut addresses = Addresses::default();
        for _ in 0..1000 {
            hear(&mut addresses, 0, &[known(1, 2), known(2, 2), forgotten(1), forgotten(2)]);
        }
        assert_eq!(settle(&mut addresses), [(1, None, false), (2, None, false)]);
    }

    #[test]
    fn a_whole_table_replaces_what_the_worker_had_said_and_nothing_else() {
        let mut addresses = Addresses::default();
        hear(&mut addresses, 0, &[known(1, 2), known(2, 2)]);
        hear(&mut addresses, 1, &[known(3, 5)]);
        settle(&mut addresses);
        let changes = vec![known(2, 4), known(4, 2)];
        addresses.hear(&FdbNews { worker: 0, changes, whole: true }, home);
        let mut done = settle(&mut addresses);
        done.sort_unstable();
        let expected = [
            (1, None, true),
            (2, Some(4), true),
            // The worker lacks it and is told again.
            (3, Some(5), false),
            (4, Some(2), true),
        ];
        assert_eq!(done, expected);
    }

    #[test]
    fn nobody_is_behind_a_port_that_is_gone() {
        let mut addresses = Addresses::default();
        hear(&mut addresses, 0, &[known(1, 2), known(2, 4)]);
        settle(&mut addresses);
        addresses.forget_port(PortId(2));
        hear(&mut addresses, 0, &[known(3, 102), forgotten(1)]);
        assert_eq!(settle(&mut addresses), [(1, None, false)]);
        hear(&mut addresses, 0, &[forgotten(2)]);
        assert_eq!(settle(&mut addresses), [(2, None, true)]);
    }

    #[test]
    fn what_could_not_be_written_is_tried_again_with_its_next_news() {
        let mut addresses = Addresses::default();
        hear(&mut addresses, 0, &[known(1, 2)]);
        assert!(addresses.next().is_some_and(|step| step.write));
        hear(&mut addresses, 0, &[known(1, 2)]);
        assert_eq!(settle(&mut addresses), [(1, Some(2), true)]);
    }
}
