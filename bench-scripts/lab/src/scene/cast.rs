//! The ways from senders to receivers, their owners, and their counters.
//!
//! Invariant: an arrival is counted once, at the receiving end; ways of several owners that cannot be
//! told apart there count only for all of them together.

use std::collections::BTreeSet;

use anyhow::Result;
use system_tests::observer::{At, Keep};

use crate::spec::{CountAt, Kind, Probing, Scene, Seat, Topology, Traffic};
use crate::stage::{Spot, Stage};

/// A namespace's interface, by their names.
pub(crate) type Place = (String, String);

/// A way of a traffic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Way {
    pub(crate) from: Place,
    pub(crate) to: Place,
    /// The number of this way in the receiver's tally.
    pub(crate) number: u8,
    /// `vm1` and the like.
    pub(crate) who: Option<String>,
    /// It leads over the link with a rate.
    pub(crate) over_link: bool,
    /// Index into the scene's traffic.
    pub(crate) traffic: usize,
}

/// How arrivals at a place are counted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counting {
    pub(crate) place: Place,
    pub(crate) keep: Keep,
    pub(crate) at: At,
    /// The source whose stamped datagrams are timed there.
    pub(crate) timed: Option<u8>,
}

/// The arrivals at a place under one number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Source {
    /// Index into `countings`.
    pub(crate) counting: usize,
    pub(crate) number: u8,
    /// The owners; several cannot be told apart.
    pub(crate) whose: BTreeSet<String>,
    pub(crate) over_link: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Cast {
    pub(crate) ways: Vec<Way>,
    pub(crate) countings: Vec<Counting>,
    pub(crate) sources: Vec<Source>,
}

impl Cast {
    pub(crate) fn of(stage: &Stage) -> Result<Self> {
        let scene = &stage.scene;
        let routers = scene.topology == Topology::Routers;
        let mut ways = Vec::new();
        for (index, traffic) in scene.traffic.iter().enumerate() {
            let to_right = traffic.to.is_way() || traffic.to == Seat::Right;
            let over_link = if routers { to_right } else { traffic.to == Seat::Uplink };
            ways.extend(pairs(stage, traffic)?.into_iter().map(|Pair { from, to, who }| Way {
                number: if routers { to.number } else { from.number },
                who,
                over_link,
                from: place(&from),
                to: place(&to),
                traffic: index,
            }));
        }
        Ok(Self::by(scene, ways))
    }

    pub(crate) fn by(scene: &Scene, ways: Vec<Way>) -> Self {
        let (mut countings, mut sources) = (Vec::<Counting>::new(), Vec::<Source>::new());
        for way in &ways {
            let known = countings.iter().position(|counting| counting.place == way.to);
            let counting = known.unwrap_or_else(|| {
                countings.push(Counting::at(&way.to, scene, &ways));
                countings.len() - 1
            });
            let same = |source: &&mut Source| source.is(counting, way.number);
            if let Some(source) = sources.iter_mut().find(same) {
                source.whose.extend(way.who.clone());
                source.over_link |= way.over_link;
            } else {
                let whose = way.who.iter().cloned().collect();
                let (number, over_link) = (way.number, way.over_link);
                sources.push(Source { counting, number, whose, over_link });
            }
        }
        Self { ways, countings, sources }
    }

    /// The index of a way's source.
    pub(crate) fn source_of(&self, way: &Way) -> Option<usize> {
        let counting = self.countings.iter().position(|counting| counting.place == way.to)?;
        self.sources.iter().position(|source| source.is(counting, way.number))
    }

    /// Everyone that is counted separately.
    pub(crate) fn all(&self) -> BTreeSet<&str> {
        self.sources.iter().filter_map(Source::owner).collect()
    }
}

impl Source {
    fn is(&self, counting: usize, number: u8) -> bool {
        (self.counting, self.number) == (counting, number)
    }

    pub(crate) fn owner(&self) -> Option<&str> {
        let mut whose = self.whose.iter();
        whose.next().filter(|_| self.whose.len() == 1).map(String::as_str)
    }
}

/// A sender and a receiver.
#[derive(Clone, Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) from: Spot<'a>,
    pub(crate) to: Spot<'a>,
    /// `vm1` and the like, as the meters call it; `None` if no VM owns what goes between them.
    pub(crate) who: Option<String>,
}

/// All pairs of a traffic; none if a seat stands for no place.
pub(crate) fn pairs<'a>(stage: &'a Stage, traffic: &Traffic) -> Result<Vec<Pair<'a>>> {
    let to = stage.spots(traffic.to, traffic.family)?;
    let mut pairs = Vec::new();
    for from in stage.spots(traffic.from, traffic.family)? {
        for to in to.iter().filter(|to| place(to) != place(&from)) {
            let who = who(&stage.scene, from.number, to.number);
            pairs.push(Pair { from: from.clone(), to: to.clone(), who });
        }
    }
    Ok(pairs)
}

fn place(spot: &Spot<'_>) -> Place {
    (spot.ns.name().to_owned(), spot.interface.clone())
}

/// The owner of a way: the VM that sends or, failing that, the one that receives and never sends
/// anything; with routers, the one that is passed.
fn who(scene: &Scene, from: u8, to: u8) -> Option<String> {
    let is_vm = |number: u8| (1..=scene.vms).contains(&number);
    let sends = |traffic: &Traffic| [Seat::Every, Seat::Vm(to)].contains(&traffic.from);
    let owner = match scene.topology {
        Topology::Routers => to,
        Topology::Vms if is_vm(from) => from,
        Topology::Vms if scene.traffic.iter().any(sends) => return None,
        Topology::Vms => to,
    };
    is_vm(owner).then(|| format!("vm{owner}"))
}

/// Whether a program at the far end must receive the traffic, and whether it answers.
pub(crate) fn is_received(traffic: &Traffic) -> (bool, bool) {
    match traffic.kind {
        Kind::Flood | Kind::Live | Kind::Timed => (false, false),
        Kind::Probe => (true, traffic.probing == Probing::RoundTrip),
        Kind::Tcp | Kind::Ask | Kind::Records => (true, true),
    }
}

impl Counting {
    /// Natively, with all of it dropped, if no program needs it; otherwise on finished skbs, so that
    /// segments stay merged.
    fn at(place: &Place, scene: &Scene, ways: &[Way]) -> Self {
        let mut needed: BTreeSet<Option<u8>> = BTreeSet::new();
        let mut timed = None;
        for way in ways {
            let traffic = &scene.traffic[way.traffic];
            let (received, answered) = is_received(traffic);
            if received && way.to == *place {
                needed.insert(Some(way.number));
            }
            if answered && way.from == *place {
                // The apparent sender of an answer is unknown here.
                needed.insert(None);
            }
            if traffic.kind == Kind::Timed && way.to == *place {
                timed = timed.or(Some(way.number));
            }
        }
        let (keep, at) = match (needed.len(), needed.first()) {
            (0, _) => (Keep::None, At::Native),
            (1, Some(Some(number))) => (Keep::Only(*number), At::Skb),
            _ => (Keep::All, At::Skb),
        };
        let at = if scene.count == CountAt::Tcx { At::Tcx } else { at };
        Self { place: place.clone(), keep, at, timed }
    }
}

#[cfg(test)]
mod tests;
