//! Binds the sockets of a port: from a configuration to rings, or to an error that says what to do.
//!
//! Invariant: a port that could not be bound leaves nothing bound.

use std::io;
use std::time::{Duration, Instant};

use weir_core::PortId;
use xsk_rs::FrameDesc;

use super::line::Line;
use super::{BATCH, Queue, XskPort, sending};
use crate::chain::Assembler;
use crate::egress::{Egress, TxFeatures};
use crate::ethtool;
use crate::port::PortStats;
use crate::sys;
use crate::umem::{Rings, UmemHandle, hint};
use crate::vnet::VnetSocket;

/// The way by which single frames leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// By a transmit ring; where the device cannot push back, as with [`Self::Line`].
    Ring,
    /// By the packet socket, many per call. A port that only sends then needs no AF_XDP socket, each of which
    /// costs the kernel an entry for every frame of the UMEM.
    Line,
}

/// The configuration of a port.
#[derive(Clone, Debug)]
pub struct XskConfig {
    pub name: String,
    pub ifindex: u32,
    pub slot: PortId,
    /// The receive queues of the device that belong to this port, each with a socket: `queues` of them, from
    /// `first_queue` on. With 0 the port only sends.
    pub first_queue: u32,
    pub queues: u32,
    pub transmit: Transmit,
    /// The number of transmit queues of the device. With several, the kernel's two transmit paths may choose
    /// different ones.
    pub tx_queues: u32,
    /// The ring sizes must be powers of two. A port that only sends does not use the first.
    pub rx_ring: u32,
    pub tx_ring: u32,
    /// Frames kept in each queue's fill ring: twice the receive ring, and less if there are many ports.
    pub fill_quota: u32,
    pub mtu: u32,
    pub tx_features: TxFeatures,
}

impl XskConfig {
    /// A configuration with the usual sizes.
    pub fn new(name: impl Into<String>, ifindex: u32, slot: PortId) -> Self {
        Self {
            name: name.into(),
            ifindex,
            slot,
            first_queue: 0,
            queues: 1,
            transmit: Transmit::Ring,
            tx_queues: 1,
            rx_ring: 2048,
            tx_ring: 2048,
            fill_quota: 4096,
            mtu: 1500,
            tx_features: TxFeatures::default(),
        }
    }
}

/// Why a port could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("there is no interface {name}")]
    NoInterface { name: String },
    #[error("interface {name} was replaced meanwhile (its index was {before}, and is {now})")]
    Replaced { name: String, before: u32, now: u32 },
    #[error(
        "queue {queue} of {name} is taken: another AF_XDP program (another weir?) is bound to it"
    )]
    Taken { name: String, queue: u32 },
    #[error("cannot bind an AF_XDP socket to queue {queue} of {name}: {source}{}", hint(source))]
    Socket { name: String, queue: u32, source: io::Error },
    #[error("cannot open a packet socket on {name}: {source}{}", hint(source))]
    PacketSocket { name: String, source: io::Error },
}

/// The kernel frees a closed socket's queue a little later, from a work queue.
const STILL_TAKEN: Duration = Duration::from_millis(500);
/// The bytes that one socket may have waiting in devices: the ring's worth of full-sized frames.
const SEND_BUFFER: libc::c_int = 16 << 20;
/// The size of rings that are not used. Sockets beyond the first do not send, and those of a port that only
/// sends do not receive, but libxdp requires a ring.
const UNUSED_RING: u32 = 2;

/// Whether the interface of that name still is the one that was configured.
fn check(config: &XskConfig) -> Result<(), BindError> {
    let (name, before) = (config.name.clone(), config.ifindex);
    match sys::interface_index(&name) {
        Ok(now) if now == before => Ok(()),
        Ok(now) => Err(BindError::Replaced { name, before, now }),
        Err(_) => Err(BindError::NoInterface { name }),
    }
}

impl XskPort {
    /// Binds a port's sockets. May wait for half a second if the queue was in use until a moment ago: call it
    /// on a control thread.
    pub fn bind(umem: &UmemHandle, config: XskConfig) -> Result<Self, BindError> {
        check(&config)?;
        let mut queues = Vec::with_capacity(config.queues as usize);
        for nth in 0..config.queues {
            let tx_ring = if nth == 0 { config.tx_ring } else { UNUSED_RING };
            let id = config.first_queue.saturating_add(nth);
            let rings = bind_queue(umem, &config, id, [config.rx_ring, tx_ring])?;
            queues.push(Queue { id, rings, level: 0, chain: Assembler::new(config.slot) });
        }
        // A tap cannot stop its queue, and drops frames instead. A device that reports no driver is no tap.
        let drops = ethtool::driver(&config.name).is_ok_and(|driver| driver == "tun");
        let in_line = drops || config.tx_queues > 1 || config.transmit == Transmit::Line;
        let mut sender = (queues.is_empty() && !in_line)
            .then(|| bind_queue(umem, &config, 0, [UNUSED_RING, config.tx_ring]))
            .transpose()?;
        let (name, mtu, features) = (config.name, config.mtu, config.tx_features);
        let vnet = VnetSocket::open(config.ifindex)
            .map_err(|source| BindError::PacketSocket { name: name.clone(), source })?;
        let mut whole_ring_kicks = false;
        if let Some(rings) = sending(&mut sender, &mut queues) {
            let fd = rings.fd();
            let socket = |source| BindError::Socket { name: name.clone(), queue: 0, source };
            sys::set_send_buffer(fd, SEND_BUFFER).map_err(socket)?;
            whole_ring_kicks = sys::raise_tx_budget(fd, config.tx_ring);
        }
        Ok(Self {
            slot: config.slot,
            egress: Egress { mtu, features },
            queues,
            sender,
            vnet,
            quota: config.fill_quota,
            next_queue: 0,
            tx_size: config.tx_ring,
            tx_room: config.tx_ring,
            staged: Vec::with_capacity(config.tx_ring as usize),
            line: in_line.then(|| Line::new(config.tx_ring, drops)),
            outstanding: 0,
            dropped: 0,
            whole_ring_kicks,
            down: false,
            refusing: None,
            scratch: Box::new([FrameDesc::default(); BATCH]),
            stats: PortStats::default(),
            _umem: umem.clone(),
        })
    }
}

fn bind_queue(
    umem: &UmemHandle,
    config: &XskConfig,
    id: u32,
    [rx_ring, tx_ring]: [u32; 2],
) -> Result<Rings, BindError> {
    let name = &config.name;
    let give_up = Instant::now() + STILL_TAKEN;
    loop {
        match umem.bind(name, id, rx_ring, tx_ring) {
            Ok(rings) => return Ok(rings),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                if Instant::now() >= give_up {
                    return Err(BindError::Taken { name: name.clone(), queue: id });
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(source) => {
                return Err(BindError::Socket { name: name.clone(), queue: id, source });
            }
        }
    }
}
