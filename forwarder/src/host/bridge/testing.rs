//! Messages of a kernel (Linux 6.12) while a bridge was set up, used and removed, recorded from the
//! groups that [`watch`](super::watch) subscribes to. The recording leaves out attributes of AF_UNSPEC
//! link messages that nothing here reads.

use super::decode::{self, Message};

const RECORDED: &str = include_str!("testing/recorded-6.12.txt");

pub(crate) const BRIDGE: u32 = 2;
pub(crate) const PORT: u32 = 4;

/// A command, and the kernel's messages about it: kind and payload of each.
pub(crate) struct RecordedCommand {
    pub(crate) command: &'static str,
    pub(crate) said: Vec<(u16, Vec<u8>)>,
}

impl RecordedCommand {
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message> {
        self.said.iter().filter_map(|(kind, payload)| decode::message(*kind, payload, 0))
    }
}

pub(crate) fn recorded() -> Vec<RecordedCommand> {
    let mut steps: Vec<RecordedCommand> = Vec::new();
    for line in RECORDED.lines() {
        if let Some(command) = line.strip_prefix("# ") {
            steps.push(RecordedCommand { command, said: Vec::new() });
        } else if let (Some(step), Some((kind, hex))) = (steps.last_mut(), line.split_once(' ')) {
            step.said.push((kind.parse().unwrap(), bytes(hex)));
        }
    }
    steps
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
