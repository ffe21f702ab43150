//! The real decision, as far as the answers lead that it has got.
//! Invariant: a question with the same answer for every frame of the model is answered at once. A question
//! about words that other CPUs change meanwhile is left to the model.

use std::cell::Cell;

use weir_abi::gate::{Frame, GatePort, Method, Storm, Tables, Tag};
use weir_abi::table::{self, Entry, Place, Seed};
use weir_abi::{Decision, Through, gate_flags};

use super::state::{OTHER, Told};

const SEED: Seed = Seed { xor: 0x1a4e5, multiply: 0x9e37_79b9_7f4a_7c15 };
/// The source, the flow's destination and another destination, each behind the port of its number.
const SOURCE: u16 = 1;
const TARGET: u16 = 2;
const ELSE: u16 = 3;

/// The questions of the decision that take several steps, or change something.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Question {
    IsAtBridge,
    IsSettled,
    TakesRoom,
}

/// The answers, in the order in which they were given.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Answers {
    bits: u8,
    len: u8,
    room: bool,
}

impl Answers {
    pub(crate) fn and(self, question: Question, answer: bool) -> Self {
        let bits = self.bits | u8::from(answer) << self.len;
        Self { bits, len: self.len + 1, room: self.room || question == Question::TakesRoom }
    }

    pub(crate) fn given(self) -> u32 {
        self.len.into()
    }

    pub(crate) fn took_room(self) -> bool {
        self.room
    }
}

/// Decides, or gives the question that has to be answered first.
pub(crate) fn decide(frame: u8, told: Told, answers: Answers) -> Result<Decision, Question> {
    let tables = Asked { told, answers, given: Cell::new(0), open: Cell::new(None) };
    let flags = gate_flags::OFFLOAD | gate_flags::EXPRESS_FROM;
    let port = GatePort::new(SOURCE.into(), flags, 0, 0, Storm::default());
    let to = if frame == OTHER { ELSE } else { TARGET };
    let decision = weir_abi::decide(&Plain::to(to), SOURCE, &port, &tables);
    tables.open.get().map_or(Ok(decision), Err)
}

/// The tables of a decision that has got some of its answers.
struct Asked {
    told: Told,
    answers: Answers,
    given: Cell<u8>,
    /// The first question without an answer: what is decided from there on means nothing.
    open: Cell<Option<Question>>,
}

impl Asked {
    fn ask(&self, question: Question) -> bool {
        let nth = self.given.get();
        if nth < self.answers.len {
            self.given.set(nth + 1);
            return self.answers.bits >> nth & 1 != 0;
        }
        self.open.set(self.open.get().or(Some(question)));
        false
    }

    fn port_of(&self, place: Place) -> Option<u16> {
        let port =
            [SOURCE, TARGET, ELSE].into_iter().find(|port| self.place(key(*port)) == place)?;
        match (port, self.told) {
            (TARGET, Told::Unknown) => None,
            (TARGET, Told::Elsewhere) => Some(table::ELSEWHERE),
            _ => Some(port),
        }
    }
}

fn key(port: u16) -> u64 {
    table::key(address(port), 0)
}

fn address(port: u16) -> u64 {
    0x0200_0000_0000 | u64::from(port)
}

impl Tables for Asked {
    fn mac_allowed(&self, _slot: u16, _mac: u64) -> bool {
        true
    }
    fn ip_allowed(&self, _slot: u16, _address: [u8; 16]) -> bool {
        true
    }
    fn is_current(&self) -> bool {
        true
    }
    fn place(&self, key: u64) -> Place {
        SEED.place(key)
    }
    fn find(&self, place: Place) -> Entry {
        self.port_of(place).map_or(Entry::EMPTY, |port| Entry::new(place, port, 0))
    }
    fn find_source(&self, place: Place, _slot: u16) -> Entry {
        self.find(place)
    }
    fn port(&self, slot: u16) -> Option<GatePort> {
        let port = GatePort::new(slot.into(), gate_flags::OFFLOAD, 0, 0, Storm::default());
        let lane = slot == TARGET && self.told == Told::Express;
        Some(if lane { port.with_way(Method::Peer, address(slot), 1514) } else { port })
    }
    fn vlans(&self, _slot: u16, _word: usize) -> u64 {
        0
    }
    fn is_shed(&self, _ingress: u16, _egress: u16) -> bool {
        false
    }
    fn storm_allows(&self, _slot: u16, _storm: Storm) -> bool {
        true
    }
    fn has_worker(&self, _queue: u16) -> bool {
        true
    }
    fn is_awake(&self, _queue: u16) -> bool {
        true
    }
    fn take_room(&self, _slot: u16, _queue: u16, _places: u32) -> bool {
        self.ask(Question::TakesRoom)
    }
    fn is_at_bridge(&self, _slot: u16) -> bool {
        self.ask(Question::IsAtBridge)
    }
    fn is_settled(&self, _slot: u16) -> bool {
        self.ask(Question::IsSettled)
    }
    fn is_open(&self, _door: u32) -> bool {
        true
    }
    fn draw(&self, _door: u32, _bytes: u32, _per_byte: u64, _ahead_ns: u64) -> bool {
        true
    }
    fn close(&self, _door: u32) {}
}

/// A frame of a protocol that the parser does not know.
struct Plain([u8; 60]);

impl Plain {
    fn to(port: u16) -> Self {
        let mut bytes = [0; 60];
        bytes[..6].copy_from_slice(&address(port).to_be_bytes()[2..]);
        bytes[6..12].copy_from_slice(&address(SOURCE).to_be_bytes()[2..]);
        bytes[12..14].copy_from_slice(&[0x88, 0xb6]);
        Self(bytes)
    }
}

impl Through for Plain {
    type Bytes = [u8];
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Frame for Plain {
    fn tag(&self) -> Option<Tag> {
        None
    }
    fn tag_is_inside(&self) -> bool {
        false
    }
    fn slips_past_xdp(&self) -> bool {
        false
    }
    fn gso_size(&self) -> u16 {
        0
    }
    fn gso_type(&self) -> u32 {
        0
    }
}
