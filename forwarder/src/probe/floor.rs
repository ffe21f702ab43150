//! The probe over a bare veth: measures the probe's own share of every measurement.
//!
//! Invariant: the two namespaces have no name and no process. They end, and the veth with them, with
//! the last thread and descriptor of this process, however the process ends.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::libc;

use crate::host::netlink::{Attributes, Netlink, Request};
use crate::host::netns::Netns;
use weir_probe::report::{FloorReport, VERSION};
use weir_probe::send::{self, Order};
use weir_probe::sink::{Options, Sink};
use weir_probe::{ProbeError, sizes::LARGEST};

const LEFT: &str = "floor0";
const RIGHT: &str = "floor1";
/// Reserved for documentation (RFC 5737): in use on no network.
const LEFT_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const RIGHT_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const LEFT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const RIGHT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const LEFT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const RIGHT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// How long the kernel may take to notice that both ends are up: it checks once a second.
const UP: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

// linux/if.h
const IF_OPER_UP: u8 = 6;

/// A namespace that lives as long as its handle.
fn make() -> Result<Netns, ProbeError> {
    Netns::create(Path::new("weir probe floor")).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => ProbeError::Refused(
            "`weir probe floor` makes two network namespaces and a veth between them: it takes root \
             (CAP_SYS_ADMIN and CAP_NET_ADMIN)"
                .to_owned(),
        ),
        _ => ProbeError::io("cannot make a network namespace")(error),
    })
}

/// Runs `work` on a thread of its own inside; sockets made there stay there.
fn run<T: Send>(
    inside: &Netns,
    work: impl FnOnce() -> Result<T, ProbeError> + Send,
) -> Result<T, ProbeError> {
    inside.enter(work).map_err(ProbeError::io("cannot enter a namespace"))?
}

/// Sends as `order` says, but over the bare veth, to a sink with `options`.
pub fn measure(
    order: &Order,
    options: &Options,
    v6: bool,
    stop: &AtomicBool,
) -> Result<FloorReport, ProbeError> {
    let (left, right) = (make()?, make()?);
    run(&left, || plug(&right).map_err(ProbeError::io("cannot make a veth")))?;
    let (from, to): (IpAddr, IpAddr) =
        if v6 { (LEFT_V6.into(), RIGHT_V6.into()) } else { (LEFT_V4.into(), RIGHT_V4.into()) };
    let failed = || ProbeError::io("cannot set the veth up");
    run(&left, || set_up(LEFT, from, to, RIGHT_MAC).map_err(failed()))?;
    run(&right, || set_up(RIGHT, to, from, LEFT_MAC).map_err(failed()))?;
    run(&left, || wait_up(LEFT).map_err(failed()))?;
    run(&right, || wait_up(RIGHT).map_err(failed()))?;
    let sink = run(&right, || Sink::open(Options { bind: Some(to), port: 0, ..options.clone() }))?;
    let order = Order { target: SocketAddr::new(to, sink.address().port()), ..order.clone() };
    let sunk_enough = AtomicBool::new(false);
    let (sent, sunk) = std::thread::scope(|scope| {
        let (inside, enough) = (&right, &sunk_enough);
        let sinking =
            scope.spawn(move || run(inside, || sink.run(enough, &AtomicU64::new(0), |_| {})));
        let sent = run(&left, || send::send(&order, stop));
        // The sink ends with the sender, if the sender got so far.
        if !matches!(&sent, Ok(report) if report.acknowledged.is_some()) {
            sunk_enough.store(true, Ordering::Relaxed);
        }
        (sent, sinking.join())
    });
    let panicked = |_| ProbeError::Refused("the sink panicked".to_owned());
    Ok(FloorReport { version: VERSION, kind: "floor", send: sent?, sink: sunk.map_err(panicked)?? })
}

/// A veth from this thread's namespace to the other.
fn plug(other: &Netns) -> io::Result<()> {
    let end = |request: Request, name: &str, mac: &[u8; 6]| {
        // The largest datagram, so that nothing is fragmented.
        let mtu = (LARGEST + 28).min(65_535);
        let named = request.text(libc::IFLA_IFNAME, name).attribute(libc::IFLA_ADDRESS, mac);
        named.number(libc::IFLA_MTU, mtu)
    };
    let peer = end(Request::about_link(0, 0), RIGHT, &RIGHT_MAC)
        .number(libc::IFLA_NET_NS_FD, other.file.as_raw_fd() as u32);
    let request = end(Request::about_link(libc::RTM_NEWLINK, 0), LEFT, &LEFT_MAC);
    Netlink::open()?.change(&request.create_veth(&peer))
}

/// Sets an address and the device up. It polls, as guests of weir should, and needs no neighbour
/// look-up.
fn set_up(name: &str, own: IpAddr, other: IpAddr, mac: [u8; 6]) -> io::Result<()> {
    let mut netlink = Netlink::open()?;
    let index = weir_port::sys::interface_index(name)?;
    weir_port::ethtool::set_feature(name, "rx-gro", true)?;
    netlink.change(&Request::set_flags(index, libc::IFF_UP))?;
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let (family, prefix) =
        if own.is_ipv4() { (libc::AF_INET as u8, 24) } else { (libc::AF_INET6 as u8, 64) };
    // Without duplicate address detection the address can be used at once.
    let address = [[family, prefix, libc::IFA_F_NODAD as u8, 0], index.to_ne_bytes()];
    let address = Request::new(libc::RTM_NEWADDR, address.as_flattened())
        .attribute(libc::IFA_LOCAL, &octets(own))
        .attribute(libc::IFA_ADDRESS, &octets(own))
        .flags(libc::NLM_F_CREATE | libc::NLM_F_EXCL);
    netlink.change(&address)?;
    // struct ndmsg: family, padding, index, state, flags, type.
    let [low, high] = libc::NUD_PERMANENT.to_ne_bytes();
    let neighbour = [[family, 0, 0, 0], index.to_ne_bytes(), [low, high, 0, 0]];
    let neighbour = Request::new(libc::RTM_NEWNEIGH, neighbour.as_flattened())
        .attribute(libc::NDA_DST, &octets(other))
        .attribute(libc::NDA_LLADDR, &mac)
        .flags(libc::NLM_F_CREATE | libc::NLM_F_REPLACE);
    netlink.change(&neighbour)
}

/// Frames sent before the kernel has noticed the other end are lost.
fn wait_up(name: &str) -> io::Result<()> {
    let mut netlink = Netlink::open()?;
    let index = weir_port::sys::interface_index(name)?;
    let start = Instant::now();
    while start.elapsed() < UP {
        let answers = netlink.call(&Request::about_link(libc::RTM_GETLINK, index))?;
        let state = |said| Attributes::behind(16, said).get(libc::IFLA_OPERSTATE);
        if answers.iter().any(|(_, said)| state(said) == Some(&[IF_OPER_UP][..])) {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    Err(io::ErrorKind::TimedOut.into())
}
