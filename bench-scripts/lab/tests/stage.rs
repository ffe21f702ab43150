//! Every peer in every topology that it supports: it comes up, every path works in both families,
//! tallies know the owners of the frames they count, weights change, and nothing is left behind.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Error, Result, ensure};
use system_tests::observer::{At, By, Keep, Watch};
use system_tests::traffic::{Rate, Sink, Source};
use system_tests::{Ns, ns, root_or_skip, wait_for};
use weir_lab::spec::{Family, Peer, Scene, Seat};
use weir_lab::stage::{Spot, Stage};

const SOON: Duration = Duration::from_secs(10);
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
/// Datagrams of a flow.
const COUNT: u64 = 40;

fn peer(kind: &str) -> Result<Peer> {
    Ok(toml::from_str(&format!("name = '{kind}'\nkind = '{kind}'"))?)
}

fn scene(text: &str) -> Result<Scene> {
    Ok(toml::from_str(&format!("{text}\nwindow = [{{ name = 'all', from = 0, to = 1 }}]"))?)
}

fn stage(kind: &str, text: &str) -> Result<Stage> {
    Stage::new(&peer(kind)?, &scene(text)?).with_context(|| format!("{kind}: {text}"))
}

fn spot<'a>(stage: &'a Stage, seat: &str, family: Family) -> Result<Spot<'a>> {
    let seat = Seat::try_from(seat.to_owned()).map_err(Error::msg)?;
    stage.spots(seat, family)?.pop().context("an empty seat")
}

/// A flow from one seat to another.
fn send(stage: &Stage, from: &str, to: &str, family: Family) -> Result<()> {
    let (from, to) = (spot(stage, from, family)?, spot(stage, to, family)?);
    let sink = Sink::start(to.ns, SocketAddr::new(to.addr, 0))?;
    let source =
        Source { size: 200, rate: Rate::pps(4000), count: COUNT, ..Source::to(sink.addr()) };
    source.send(from.ns)?;
    sink.wait_for(COUNT, SOON).with_context(|| format!("{} to {}", from.addr, to.addr))
}

/// Brings a peer up with VMs and sends a flow each way between each of them and the uplink host.
fn each_way(stage: &Stage) -> Result<()> {
    for family in FAMILIES {
        for number in 1..=stage.scene.vms {
            let vm = format!("vm{number}");
            send(stage, &vm, "uplink", family)?;
            send(stage, "uplink", &vm, family)?;
        }
    }
    Ok(())
}

/// Takes the stage down; none of its namespaces may be left.
fn finish(stage: Stage) -> Result<()> {
    let bed = &stage.bed;
    let all = bed.everybody().map(|guest| &guest.ns).chain([&bed.host]);
    let names: Vec<String> = all.map(|ns| ns.name().to_owned()).collect();
    stage.finish()?;
    let left = names.iter().find(|name| Path::new("/run/netns").join(name).exists());
    ensure!(left.is_none(), "{left:?} is left");
    Ok(())
}

fn tc(ns: &Ns, words: &str) -> Result<String> {
    ns::output(ns.cmd("tc").args(words.split_whitespace()))
}

#[test]
fn vms_behind_weir() -> Result<()> {
    root_or_skip!();
    let stage = stage(
        "weir",
        "vms = 2\nlink = 200\nvm = [{ number = 1, weight = 3 }, { number = 2, min = 10, max = 50 }]\ntraffic = [{ kind = 'flood', from = 'vm1', to = 'vm2' }]",
    )?;
    each_way(&stage)?;
    send(&stage, "vm1", "vm2", Family::V6)?;
    stage.reweigh(&[7])?;
    let weir = stage.weir.as_ref().context("no weir")?;
    let config = weir.config()?;
    let promised = |port: &str, key: &str| config["ports"][port][key].to_string();
    let found = [promised("v1", "weight"), promised("v2", "weight"), promised("v2", "max-rate")];
    ensure!(found == ["7", "1", "\"50Mbit\""], "{found:?} in {config:#}");
    ensure!(promised("nic0", "rate") == "\"200Mbit\"", "{config:#}");
    ensure!(stage.reweigh(&[1, 1, 1]).is_err());
    finish(stage)
}

#[test]
fn vms_on_a_bridge() -> Result<()> {
    root_or_skip!();
    let stage = stage("bridge", "vms = 2\nlink = 100")?;
    each_way(&stage)?;
    stage.reweigh(&[7])?;
    let queues = tc(&stage.bed.host, "qdisc show dev nic0")?;
    ensure!(queues.contains("tbf") && queues.contains("100Mbit"), "{queues}");
    finish(stage)
}

#[test]
fn vms_on_a_bridge_with_classes() -> Result<()> {
    root_or_skip!();
    let stage = stage("htb", "vms = 2\nlink = 100\nvm = [{ number = 2, max = 30 }]")?;
    each_way(&stage)?;
    let class = |minor: u32| {
        let all = tc(&stage.bed.host, "class show dev nic0")?;
        let line = all.lines().find(|line| line.contains(&format!("htb 1:{minor} ")));
        line.map(str::to_owned).with_context(|| format!("no class {minor}: {all}"))
    };
    let (one, two) = (class(11)?, class(12)?);
    ensure!(one.contains("rate 70Mbit ceil 100Mbit"), "{one}");
    ensure!(two.contains("rate 30Mbit ceil 30Mbit"), "{two}");
    stage.reweigh(&[4, 1])?;
    let (one, two) = (class(11)?, class(12)?);
    ensure!(one.contains("rate 80Mbit ceil 100Mbit"), "{one}");
    ensure!(two.contains("rate 20Mbit ceil 30Mbit"), "{two}");
    finish(stage)
}

#[test]
fn classes_without_a_link_are_of_those_with_a_maximum() -> Result<()> {
    root_or_skip!();
    let stage = stage("htb", "vms = 2\nvm = [{ number = 2, max = 30 }]")?;
    each_way(&stage)?;
    stage.reweigh(&[4, 1])?;
    let classes = tc(&stage.bed.host, "class show dev nic0")?;
    ensure!(classes.contains("htb 1:12 ") && !classes.contains("htb 1:11 "), "{classes}");
    ensure!(classes.contains("rate 30Mbit ceil 30Mbit"), "{classes}");
    finish(stage)
}

#[test]
fn a_vm_and_the_uplink_host_with_little_in_between() -> Result<()> {
    root_or_skip!();
    for kind in ["redirect", "direct"] {
        let stage = stage(kind, "vms = 1")?;
        each_way(&stage)?;
        for family in FAMILIES {
            let (vm, up) = (spot(&stage, "vm1", family)?, spot(&stage, "uplink", family)?);
            converse(&vm, &up)?;
            // The named interface is the one that receives.
            let before = up.ns.counter(&up.interface)?.recv_packets;
            send(&stage, "vm1", "uplink", family)?;
            ensure!(up.ns.counter(&up.interface)?.recv_packets >= before + COUNT, "{up:?}");
        }
        finish(stage)?;
    }
    Ok(())
}

/// A megabyte over TCP, and as much back.
fn converse(from: &Spot<'_>, to: &Spot<'_>) -> Result<IpAddr> {
    const SIZE: usize = 1 << 20;
    let listener = to.ns.run(|| Ok(TcpListener::bind(SocketAddr::new(to.addr, 0))?))?;
    let at = listener.local_addr()?;
    std::thread::scope(|scope| {
        let server = scope.spawn(move || -> Result<IpAddr> {
            let (mut stream, peer) = listener.accept()?;
            let mut data = vec![0; SIZE];
            stream.read_exact(&mut data)?;
            stream.write_all(&data)?;
            Ok(peer.ip())
        });
        let connect = || Ok(TcpStream::connect_timeout(&at, SOON)?);
        let mut stream = from.ns.run(connect).with_context(|| format!("connecting to {at}"))?;
        stream.set_read_timeout(Some(SOON))?;
        stream.set_write_timeout(Some(SOON))?;
        let (sent, mut back) = (vec![7; SIZE], vec![0; SIZE]);
        stream.write_all(&sent)?;
        stream.read_exact(&mut back)?;
        ensure!(sent == back, "what came back from {at} is not what was sent");
        server.join().map_err(|_| anyhow::anyhow!("the server panicked"))?
    })
}

/// Frames that the tally at the right host counted for routers 1 to 3.
fn counts(watch: &Watch) -> Result<[u64; 3]> {
    Ok([watch.of(1)?.frames, watch.of(2)?.frames, watch.of(3)?.frames])
}

/// Sends a different number of flows by each router, and asserts that the tally has them.
fn tallies(stage: &Stage, by: By, family: Family) -> Result<()> {
    let right = spot(stage, "right", family)?;
    let watch = Watch::start_by(by, right.ns, &right.interface, None, Keep::All, At::Skb, 0)?;
    for number in 1..=3 {
        for _ in 0..number {
            send(stage, "uplink", &format!("via{number}"), family)?;
        }
    }
    let wanted = [COUNT, 2 * COUNT, 3 * COUNT];
    wait_for(SOON, "the frames to be counted", || counts(&watch).is_ok_and(|n| n == wanted))
        .with_context(|| format!("{by:?} {family:?}: {:?}", counts(&watch)))
}

/// Routers 1 to 3 of a peer: flows by each, TCP by one and back the same way, tallies.
fn routed(stage: &Stage) -> Result<()> {
    let by = stage.tells_apart_by();
    for family in FAMILIES {
        tallies(stage, by, family)?;
        let (left, via) = (spot(stage, "uplink", family)?, spot(stage, "via2", family)?);
        let watch = Watch::start_by(by, left.ns, &left.interface, None, Keep::All, At::Skb, 0)?;
        let came_from = converse(&left, &via)?;
        // Answers go to the address of the same router's way, which identifies the router.
        let (source, _) = stage.headers(&left, &via)?;
        ensure!(came_from == source, "{came_from} is not {source}");
        let [one, two, three] = counts(&watch)?;
        ensure!(two > 10 && (one, three) == (0, 0), "answers by {one} {two} {three}");
        send(stage, "uplink", "right", family)?;
        send(stage, "right", "uplink", family)?;
    }
    ensure!(stage.spots(Seat::ViaEvery, Family::V4)?.len() == 3);
    let error = stage.spots(Seat::Via(4), Family::V4).err().context("a way too many")?.to_string();
    ensure!(error.contains("via1 to via3"), "{error}");
    Ok(())
}

/// The packets that passed each router, by its own kernel's counts.
fn passed(stage: &Stage) -> Result<Vec<u64>> {
    let routers = stage.bed.guests.iter();
    routers.map(|router| Ok(router.ns.counter("eth1")?.recv_packets)).collect()
}

#[test]
fn routers_behind_weir() -> Result<()> {
    root_or_skip!();
    let stage = stage(
        "weir",
        "topology = 'routers'\nvms = 3\nlink = 500\nvm = [{ number = 1, weight = 3 }]",
    )?;
    routed(&stage)?;
    // Their MAC addresses tell them apart as well, if each has one.
    tallies(&stage, By::SourceMac, Family::V4)?;
    let before = passed(&stage)?;
    send(&stage, "uplink", "via2", Family::V6)?;
    let after: Vec<u64> =
        passed(&stage)?.iter().zip(before).map(|(now, then)| now - then).collect();
    ensure!(after == [0, COUNT, 0], "{after:?} passed the routers");
    stage.reweigh(&[2, 5])?;
    let config = stage.weir.as_ref().context("no weir")?.config()?;
    ensure!(config["ports"]["v2"]["weight"] == 5, "{config:#}");
    ensure!(config["ports"]["nic1"]["rate"] == "500Mbit", "{config:#}");
    finish(stage)
}

#[test]
fn routers_on_a_bridge() -> Result<()> {
    root_or_skip!();
    let stage = stage("bridge", "topology = 'routers'\nvms = 3\nlink = 500")?;
    routed(&stage)?;
    finish(stage)
}

#[test]
fn routers_on_a_bridge_with_classes() -> Result<()> {
    root_or_skip!();
    let stage = stage("htb", "topology = 'routers'\nvms = 3\nlink = 300")?;
    routed(&stage)?;
    stage.reweigh(&[1, 1, 4])?;
    // The packets that passed each router are in its class.
    let classes = tc(&stage.bed.host, "-s class show dev nic1")?;
    let sent: Vec<&str> = classes.lines().filter(|line| line.contains("Sent")).collect();
    let idle = sent.iter().filter(|line| line.contains("Sent 0 bytes")).count();
    ensure!(sent.len() == 4 && idle == 0 && classes.contains("rate 200Mbit"), "{classes}");
    finish(stage)
}

#[test]
fn plain_linux_in_the_routers_place() -> Result<()> {
    root_or_skip!();
    let stage = stage("linux", "topology = 'routers'\nvms = 3\nlink = 500")?;
    routed(&stage)?;
    ensure!(stage.spots(Seat::Vm(1), Family::V4).is_err() && stage.vm(1).is_err());
    stage.reweigh(&[3, 1, 1])?;
    finish(stage)
}
