//! Netlink requests, one at a time over a blocking socket, and the reading of attributes. Invariant: only
//! attributes that weir uses are read, so that nothing a newer kernel adds can make a link unreadable.

use std::io;

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::packet_core::NetlinkBuffer;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{AsyncSocket, Socket, SocketAddr, TokioSocket};
use tokio::time::{Duration, Instant, sleep_until};

const HEADER_LEN: usize = 16;
const ATTRIBUTE_HEADER_LEN: usize = 4;
// linux/veth.h, linux/if_link.h
const VETH_INFO_PEER: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
/// The most attempts at a dump that the kernel flags as inconsistent.
const DUMP_ATTEMPTS: u32 = 8;

/// A request under construction: the fixed header of its family, then attributes.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    kind: u16,
    flags: u16,
    payload: Vec<u8>,
}

impl Request {
    pub(crate) fn new(kind: u16, fixed: &[u8]) -> Self {
        Self { kind, flags: libc::NLM_F_REQUEST as u16, payload: fixed.to_vec() }
    }

    /// With a fixed header of words.
    pub(crate) fn of_words<const N: usize>(kind: u16, fixed: [u32; N]) -> Self {
        Self::new(kind, fixed.map(u32::to_ne_bytes).as_flattened())
    }

    /// About one interface, with the header that link messages have.
    pub(crate) fn about_link(kind: u16, ifindex: u32) -> Self {
        Self::of_words(kind, [0, ifindex, 0, 0])
    }

    /// Sets these flags of an interface, and clears none.
    pub(crate) fn set_flags(ifindex: u32, flags: libc::c_int) -> Self {
        Self::of_words(libc::RTM_SETLINK, [0, ifindex, flags as u32, flags as u32])
    }

    /// About queueing disciplines or filters, with the header that traffic control's messages have.
    pub(crate) fn about_qdisc(kind: u16, ifindex: u32, handle: u32, parent: u32) -> Self {
        Self::of_words(kind, [0, ifindex, handle, parent, 0])
    }

    pub(crate) fn flags(mut self, flags: libc::c_int) -> Self {
        self.flags |= flags as u16;
        self
    }

    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.payload
            .extend_from_slice(&((ATTRIBUTE_HEADER_LEN + value.len()) as u16).to_ne_bytes());
        self.payload.extend_from_slice(&kind.to_ne_bytes());
        self.payload.extend_from_slice(value);
        self.payload.resize(self.payload.len().next_multiple_of(4), 0);
        self
    }

    /// A string attribute, with its terminating zero.
    pub(crate) fn text(self, kind: u16, value: &str) -> Self {
        self.attribute(kind, format!("{value}\0").as_bytes())
    }

    pub(crate) fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    /// Makes a link of that kind: this request has its name.
    pub(crate) fn create_link(self, kind: &str, data: impl FnOnce(Self) -> Self) -> Self {
        let info =
            |info: Self| info.text(libc::IFLA_INFO_KIND, kind).nest(libc::IFLA_INFO_DATA, data);
        self.nest(libc::IFLA_LINKINFO, info).flags(libc::NLM_F_CREATE | libc::NLM_F_EXCL)
    }

    /// Makes a veth: this request has the name of one end, and `peer` that of the other.
    pub(crate) fn create_veth(self, peer: &Self) -> Self {
        self.create_link("veth", |data| data.attribute(VETH_INFO_PEER, &peer.payload))
    }

    /// An attribute that contains attributes.
    pub(crate) fn nest(self, kind: u16, inner: impl FnOnce(Self) -> Self) -> Self {
        self.attribute(kind, &inner(Self::new(0, &[])).payload)
    }

    pub(crate) fn encode(&self, sequence: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.payload.len());
        bytes.extend_from_slice(&((HEADER_LEN + self.payload.len()) as u32).to_ne_bytes());
        bytes.extend_from_slice(&self.kind.to_ne_bytes());
        bytes.extend_from_slice(&self.flags.to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&0_u32.to_ne_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes
    }
}

/// The messages of one datagram, undecoded; one whose length cannot be right ends it.
pub(crate) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = NetlinkBuffer<&[u8]>> {
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(datagram).ok()?;
        let len = message.length() as usize;
        datagram = datagram.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// A list of attributes; a malformed one ends it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Attributes<'a> {
    /// Those behind a message's fixed header of that length.
    pub(crate) fn behind(header_len: usize, payload: &'a [u8]) -> Self {
        Self(payload.get(header_len..).unwrap_or_default())
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let len = usize::from(u16_at(rest, 0)?);
            let kind = u16_at(rest, 2)? & libc::NLA_TYPE_MASK as u16;
            let value = rest.get(ATTRIBUTE_HEADER_LEN..len)?;
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
            Some((kind, value))
        })
    }

    /// The last attribute of that kind, as the kernel itself reads them.
    pub(crate) fn get(self, kind: u16) -> Option<&'a [u8]> {
        self.iter().filter(|(found, _)| *found == kind).last().map(|(_, value)| value)
    }

    pub(crate) fn u16(self, kind: u16) -> Option<u16> {
        u16_at(self.get(kind)?, 0)
    }

    pub(crate) fn u32(self, kind: u16) -> Option<u32> {
        u32_at(self.get(kind)?, 0)
    }

    pub(crate) fn text(self, kind: u16) -> Option<String> {
        self.get(kind).map(text)
    }

    /// The list in an attribute; empty without it.
    pub(crate) fn nested(self, kind: u16) -> Self {
        Self(self.get(kind).unwrap_or_default())
    }
}

/// Whether the kernel had to drop notifications; after other expected errors the socket is read again.
pub(crate) fn is_overrun(error: io::Error) -> io::Result<bool> {
    match error.raw_os_error() {
        Some(libc::ENOBUFS) => Ok(true),
        Some(libc::EINTR | libc::EAGAIN) => Ok(false),
        _ => Err(error),
    }
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(offset..offset + 2)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}

/// A string attribute, without its terminating zero.
pub(crate) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// A socket that receives the notifications of these groups.
pub(crate) fn subscribe(groups: &[u32], buffer_bytes: usize) -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
    // A process that may set up bridges may also exceed the limit of net.core.rmem_max.
    if setsockopt(socket.socket_ref(), sockopt::RcvBufForce, &buffer_bytes).is_err() {
        setsockopt(socket.socket_ref(), sockopt::RcvBuf, &buffer_bytes)?;
    }
    socket.socket_ref().set_cap_ack(true)?;
    socket.socket_mut().bind(&SocketAddr::new(0, 0))?;
    for group in groups {
        socket.socket_ref().add_membership(*group)?;
    }
    Ok(socket)
}

/// Paces readings: they take at most a tenth of the time, however fast notifications come.
#[derive(Debug)]
pub(crate) struct Pace {
    began: Instant,
    not_before: Instant,
}

impl Default for Pace {
    fn default() -> Self {
        Self { began: Instant::now(), not_before: Instant::now() }
    }
}

impl Pace {
    /// Between two readings: at least this time, and at least `TIMES` times a reading's duration.
    const LEAST: Duration = Duration::from_millis(20);
    const TIMES: u32 = 9;

    /// Waits until the next reading may begin.
    pub(crate) async fn wait(&self) {
        sleep_until(self.not_before).await;
    }

    pub(crate) fn begin(&mut self) {
        self.began = Instant::now();
    }

    pub(crate) fn end(&mut self) {
        self.not_before = Instant::now() + Self::LEAST.max(self.began.elapsed() * Self::TIMES);
    }
}

/// Answers, each as kind and payload.
pub(crate) type Answers = Vec<(u16, Vec<u8>)>;

/// A connection to the netlink of the network namespace in which it was opened.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// To rtnetlink.
    pub(crate) fn open() -> io::Result<Self> {
        Self::open_family(NETLINK_ROUTE)
    }

    pub(crate) fn open_family(family: isize) -> io::Result<Self> {
        let mut socket = Socket::new(family)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Without this, an error returns the whole request; the code is enough.
        socket.set_cap_ack(true)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Everything the kernel answers to a dump.
    pub(crate) fn dump(&mut self, request: &Request) -> io::Result<Answers> {
        let request = request.clone().flags(libc::NLM_F_DUMP);
        let mut last = io::ErrorKind::Interrupted.into();
        for _ in 0..DUMP_ATTEMPTS {
            match self.exchange(&request) {
                Ok((answers, false)) => return Ok(answers),
                Ok((_, true)) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    // The rest of the torn answer has another sequence number than the next one.
                    last = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Requests or changes one thing, and waits for the kernel's answer.
    pub(crate) fn call(&mut self, request: &Request) -> io::Result<Answers> {
        let request = request.clone().flags(libc::NLM_F_ACK);
        self.exchange(&request).map(|(answers, _)| answers)
    }

    /// Changes one thing, and waits until the kernel has done it.
    pub(crate) fn change(&mut self, request: &Request) -> io::Result<()> {
        self.call(request).map(drop)
    }

    /// Deletes an interface, unless it is gone.
    pub(crate) fn delete_link(&mut self, ifindex: u32) -> io::Result<()> {
        match self.change(&Request::about_link(libc::RTM_DELLINK, ifindex)) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
            deleted => deleted,
        }
    }

    pub(crate) fn set_mtu(&mut self, ifindex: u32, mtu: u32) -> io::Result<()> {
        self.change(&Request::about_link(libc::RTM_SETLINK, ifindex).number(libc::IFLA_MTU, mtu))
    }

    /// Keeps an interface from making an IPv6 address when it comes up.
    pub(crate) fn set_no_ipv6_address(&mut self, ifindex: u32) -> io::Result<()> {
        let request =
            Request::about_link(libc::RTM_SETLINK, ifindex).nest(libc::IFLA_AF_SPEC, |families| {
                families.nest(libc::AF_INET6 as u16, |ipv6| {
                    ipv6.attribute(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE])
                })
            });
        match self.change(&request) {
            // A kernel without IPv6.
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => Ok(()),
            set => set,
        }
    }

    fn exchange(&mut self, request: &Request) -> io::Result<(Answers, bool)> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = request.encode(self.sequence);
        self.socket.send(&bytes, 0)?;
        let mut answers = Vec::new();
        let mut torn = false;
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            for message in messages(&datagram).filter(|m| m.sequence_number() == self.sequence) {
                torn |= message.flags() & libc::NLM_F_DUMP_INTR as u16 != 0;
                match i32::from(message.message_type()) {
                    libc::NLMSG_NOOP => {}
                    libc::NLMSG_DONE | libc::NLMSG_ERROR => {
                        let code = u32_at(message.payload(), 0).unwrap_or(0) as i32;
                        return match code {
                            0 => Ok((answers, torn)),
                            code => Err(io::Error::from_raw_os_error(-code)),
                        };
                    }
                    _ => answers.push((message.message_type(), message.payload().to_vec())),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
