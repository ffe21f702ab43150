//! A veth between two packet sockets: one hands the kernel frames with vnet headers, the other reads
//! the frames that the kernel sent.

use anyhow::{Context, Result, ensure};
use nix::libc;
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
    recvmsg, sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use system_tests::Ns;
use weir_core::offload::VnetHeader;

use super::{DST, SRC};

/// An ethertype for experiments: a frame that marks the end of a round.
const END: [u8; 2] = [0x88, 0xb5];

/// Socket options that nix has no names for.
mod option {
    use nix::libc;
    use nix::sys::socket::sockopt::SetBool;

    const SOL_PACKET: libc::c_int = 263;
    const AUXDATA: libc::c_int = 8;
    const VNET_HDR: libc::c_int = 15;

    #[derive(Clone, Copy, Debug)]
    pub(super) struct PacketAuxdata;
    nix::setsockopt_impl!(PacketAuxdata, SOL_PACKET, AUXDATA, bool, SetBool);

    #[derive(Clone, Copy, Debug)]
    pub(super) struct PacketVnetHeader;
    nix::setsockopt_impl!(PacketVnetHeader, SOL_PACKET, VNET_HDR, bool, SetBool);
}

/// The two ends: frames go in at `a` and come out at `b`.
pub(super) struct Wire {
    vnet: OwnedFd,
    plain: OwnedFd,
    capture: OwnedFd,
    a: LinkAddr,
    b: LinkAddr,
    sent: u32,
    /// Last, so that the sockets are closed before the namespace goes.
    _ns: Ns,
}

fn link_address(name: &str) -> Result<LinkAddr> {
    let found = nix::ifaddrs::getifaddrs()?
        .filter(|entry| entry.interface_name == name)
        .find_map(|entry| entry.address?.as_link_addr().copied());
    found.with_context(|| format!("{name} has no link address"))
}

impl Wire {
    pub(super) fn new(bed: u32) -> Result<Self> {
        // Frames from one processor arrive in order: if the thread moved, its marker could overtake the
        // frames before it.
        let mut here = CpuSet::new();
        here.set(sched_getcpu()?)?;
        sched_setaffinity(Pid::from_raw(0), &here)?;
        let ns = Ns::create(bed, "seg")?;
        // Without addresses neither end sends anything by itself.
        for file in ["ipv6/conf/default/disable_ipv6", "ipv6/conf/all/disable_ipv6"] {
            ns.sysctl(file, "1")?;
        }
        ns.ip("link add in0 mtu 9000 type veth peer name out0 mtu 9000")?;
        ns.ip("link set in0 up")?;
        ns.ip("link set out0 up")?;
        ns.ethtool("-K in0 tx off tso off gso off tx-udp-segmentation off tx-gso-list off")?;
        ns.ethtool("-K out0 gro off")?;
        let ((vnet, plain, capture), a, b) = ns.run(|| {
            let open = |protocol: Option<SockProtocol>| {
                let flags = SockFlag::SOCK_CLOEXEC;
                socket(AddressFamily::Packet, SockType::Raw, flags, protocol)
            };
            let sockets = (open(None)?, open(None)?, open(Some(SockProtocol::EthAll))?);
            Ok((sockets, link_address("in0")?, link_address("out0")?))
        })?;
        setsockopt(&vnet, option::PacketVnetHeader, &true)?;
        setsockopt(&capture, option::PacketAuxdata, &true)?;
        setsockopt(&capture, sockopt::RcvBufForce, &(64 << 20))?;
        setsockopt(&capture, sockopt::ReceiveTimeout, &TimeVal::new(5, 0))?;
        Ok(Self { vnet, plain, capture, a, b, sent: 0, _ns: ns })
    }

    pub(super) fn send(&self, header: &VnetHeader, frame: &[u8]) -> Result<()> {
        let header = header.to_bytes();
        let parts = [IoSlice::new(&header), IoSlice::new(frame)];
        let fd = self.vnet.as_raw_fd();
        let sent = sendmsg(fd, &parts, &[], MsgFlags::empty(), Some(&self.a))?;
        ensure!(sent == header.len() + frame.len(), "sent {sent} bytes of {}", frame.len());
        Ok(())
    }

    /// Every frame that came out at `b` since the last call: the marker sent after them shows that no
    /// more will come.
    pub(super) fn received(&mut self) -> Result<Vec<Vec<u8>>> {
        self.sent += 1;
        let mut marker = [DST, SRC].concat();
        marker.extend(END);
        marker.extend(self.sent.to_be_bytes());
        marker.resize(60, 0);
        let parts = [IoSlice::new(&marker)];
        sendmsg(self.plain.as_raw_fd(), &parts, &[], MsgFlags::empty(), Some(&self.a))?;
        let mut frames = Vec::new();
        loop {
            let frame = self.receive()?;
            if frame == marker {
                return Ok(frames);
            }
            frames.push(frame);
        }
    }

    /// The next frame at `b`, with its outermost tag, which the kernel removed, put back.
    pub(super) fn receive(&self) -> Result<Vec<u8>> {
        let mut buffer = vec![0; 70_000];
        loop {
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let mut space = nix::cmsg_space!([u8; 20]);
            let fd = self.capture.as_raw_fd();
            let got = recvmsg::<LinkAddr>(fd, &mut parts, Some(&mut space), MsgFlags::empty())?;
            let from = got.address.context("a frame without an address")?;
            let len = got.bytes;
            let mut tag = None;
            for message in got.cmsgs()? {
                if let ControlMessageOwned::Unknown(message) = message {
                    tag = tag.or(tag_of(&message.data_bytes));
                }
            }
            if from.ifindex() != self.b.ifindex() || from.pkttype() == libc::PACKET_OUTGOING {
                continue;
            }
            let mut frame = buffer.get(..len).context("a frame longer than any")?.to_vec();
            if let Some(tag) = tag {
                frame.splice(12..12, tag);
            }
            return Ok(frame);
        }
    }
}

/// The VLAN tag in a `struct tpacket_auxdata`.
fn tag_of(auxdata: &[u8]) -> Option<[u8; 4]> {
    const TAG_VALID: u32 = 1 << 4;
    let status = u32::from_ne_bytes(auxdata.get(..4)?.try_into().ok()?);
    let tci = u16::from_ne_bytes(auxdata.get(16..18)?.try_into().ok()?).to_be_bytes();
    let protocol = u16::from_ne_bytes(auxdata.get(18..20)?.try_into().ok()?).to_be_bytes();
    (status & TAG_VALID != 0).then_some([protocol[0], protocol[1], tci[0], tci[1]])
}
